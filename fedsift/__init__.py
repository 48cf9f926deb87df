"""The method: sign-fixed tuning, quantised contributions, running sums, masks. Knows neither Flower nor Ray."""
