"""What is learned from examples: a loss to tune on and a metric to score with."""
