"""`fedsift plan`: bytes, memory and compute of a federation of any size, calculated; nothing is trained or timed."""
