"""What several methods share: a file for each way to train and to remove, which a method's own file fills in."""
