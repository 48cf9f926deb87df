"""`fedsift bench`: speed, overhead, memory and bytes, each beside its counterpart, measured in one session."""
