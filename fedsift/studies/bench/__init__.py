"""The frame of `fedsift bench`: what a benchmark is, and how its arms are run, measured in turn, and shown."""
