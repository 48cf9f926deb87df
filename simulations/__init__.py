"""What is launched: the Flower app, opt-out scenarios, the paper's figures, benchmarks."""
