"""The grid on which magnitudes become integers. It is fixed before training and depends on no data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.bit_packing import level_type
from fedsift.errors import BadInput

MAX_BITS = 32


@dataclass(frozen=True)
class QuantisationGrid:
    """q = rint(u / step), saturating at 2^bits - 1, with step = max_magnitude / (2^bits - 1).

    A coarse grid is better, not only smaller: it drops the small entries from the mask.

    Attributes:
        bits: bits of a quantised magnitude, 1 to 32.
        max_magnitude: the magnitude of the highest level; lr * steps bounds what Adam moves.
        threshold: share of max_magnitude under which an entry becomes 0, on top of what rounding drops (half a step).
    """

    bits: int
    max_magnitude: float
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise BadInput(f"bits = {self.bits}: a quantised magnitude has 1 to {MAX_BITS} bits")
        if not (np.isfinite(self.max_magnitude) and self.max_magnitude > 0):
            raise BadInput(f"max-magnitude = {self.max_magnitude}: it must be a finite number above 0")
        if not 0 <= self.threshold < 1:
            raise BadInput(f"threshold = {self.threshold}: it is a share of max-magnitude, from 0 to less than 1")

    @property
    def levels(self) -> int:
        """The highest quantised magnitude, 2^bits - 1."""
        return int(2**self.bits - 1)

    @property
    def step(self) -> float:
        """What one level is worth, in units of the weights (float64)."""
        return self.max_magnitude / self.levels

    @property
    def lowest(self) -> np.float32:
        """The least magnitude that the threshold keeps; compared in float32, as magnitudes are."""
        return np.float32(self.threshold * self.max_magnitude)

    def quantise(self, magnitudes: NDArray[np.float32]) -> NDArray[Any]:
        """Quantise magnitudes u >= 0 of shape (n,) to levels q of shape (n,), `level_type`, ties to even.

        The division is in float64, in which every level up to 2^32 - 1 is exact.
        """
        levels = magnitudes.astype(np.float64)
        levels /= self.step
        np.rint(levels, out=levels)
        np.minimum(levels, self.levels, out=levels)
        if self.threshold:
            levels *= magnitudes >= self.lowest
        return levels.astype(level_type(self.bits))

    def saturated(self, magnitudes: NDArray[np.float32]) -> int:
        """How many magnitudes lie above the highest level by more than half a step, and so are cut."""
        return int(np.count_nonzero(magnitudes > self.max_magnitude + self.step / 2))
