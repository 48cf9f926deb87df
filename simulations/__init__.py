"""Runs: the Flower apps, the grid over Ray actors, results and the command line."""
