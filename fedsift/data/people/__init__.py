"""The generated people: who they are, and what they know."""
