"""`fedsift bench`: speed, overhead and memory, each beside its counterpart, measured in one session.

A file a benchmark, which is found by itself; `arms` are what they run, mostly in processes of their own.
"""
