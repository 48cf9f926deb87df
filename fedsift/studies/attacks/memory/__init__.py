"""Metrics of what a model remembers: a file each, or a few alike; they are found by themselves."""
