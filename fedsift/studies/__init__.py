"""Runs held against each other: methods, opt-out scenarios, attacks, the paper's figures, plans."""
