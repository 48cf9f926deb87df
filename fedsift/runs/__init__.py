"""A run and its folder: simulate, forget, join, verify, go on."""
