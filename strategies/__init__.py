"""Flower server strategies, one method a file."""
