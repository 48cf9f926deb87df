"""Several methods on the same clients."""
