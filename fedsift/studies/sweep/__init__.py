"""A command played again with other seeds and other options, and what that says of its figures."""
