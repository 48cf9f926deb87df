"""The paper's figures, and others: one file each, which registers itself."""
