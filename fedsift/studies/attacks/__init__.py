"""Attacks on clients that left."""
