"""Membership attacks: a file each, which is found by itself."""
