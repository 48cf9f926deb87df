"""Shares of a whole, exactly as they are written: 0.29 of 100 is 29, though as binary fractions it is a little less."""

from fractions import Fraction

from fedsift.core.seeds import derive_seed

_SEEDS = 2**64  # how many there are


def part_of(total: int, share: float) -> int:
    """floor(total * share), with the share as the decimal number that it is written as."""
    return int(total * Fraction(str(share)))


def is_drawn(share: float, root_seed: int, purpose: str, name: str) -> bool:
    """Whether a name is among those that are drawn with probability `share`; it depends on these arguments alone."""
    return derive_seed(root_seed, purpose, name) < _SEEDS * Fraction(str(share))
