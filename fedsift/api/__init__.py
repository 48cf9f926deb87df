"""What Python users call; all of it is reached by `import fedsift`."""
