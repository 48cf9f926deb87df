"""Opt-out scenarios: who leaves, when, and the proof of every step."""
