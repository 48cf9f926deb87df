"""What can be set, and what it means."""
