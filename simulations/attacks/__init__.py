"""Attacks on clients that left, over a lab."""
