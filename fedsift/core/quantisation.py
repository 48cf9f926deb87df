"""The grid on which magnitudes become integers. It is fixed before training and depends on no data."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.bit_packing import level_type
from fedsift.core.errors import BadInput

MAX_BITS = 32  # of a level
_LEAST_LEVELS, _REACH = 16, 1.25  # of `grid_for`, as measured in docs/explanation/grid.md
FLOAT32_LEAST, FLOAT32_MOST = (float(each) for each in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))


def highest_level(bits: int) -> int:
    """The highest level that `bits` bits hold, 2^bits - 1."""
    return (1 << bits) - 1


def grid_for(lr: float, steps: float, threshold: float = 0.0) -> "QuantisationGrid":
    """The grid that follows a tuning: a level is worth at most lr, and the highest one 1.25 * lr * steps.

    Adam moves an entry by about lr a step, and shakes it by as much however far it has come: what is finer tells
    little. How far it comes depends on model, data and lr, so the grid has room for all of them: seldom further than
    lr * steps, hardly ever further than 1.25 times that.

    Args:
        lr: Adam's learning rate.
        steps: of the tuning, each counted by its share of lr.
        threshold: as of `QuantisationGrid`.

    Returns:
        A grid of 16 levels, or of the least power of two above that makes a level worth at most lr.
    """
    reach = _REACH * steps
    levels = max(_LEAST_LEVELS, 1 << (math.ceil(reach) - 1).bit_length())
    return QuantisationGrid(levels, reach * lr, threshold)


@dataclass(frozen=True)
class QuantisationGrid:
    """q = rint(u / step), saturating at `levels`, with step = max_magnitude / levels."""

    levels: int  # the highest quantised magnitude, 1 to 2^32 - 1
    # The magnitude of the highest level, a normal number in float32, as a step is. Adam seldom moves an entry further
    # than lr * steps.
    max_magnitude: float
    # Share of max_magnitude under which an entry becomes 0, on top of what rounding drops (half a step).
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= highest_level(MAX_BITS):
            raise BadInput(f"levels = {self.levels}: the highest level is 1 to 2^{MAX_BITS} - 1")
        if not (np.isfinite(self.max_magnitude) and self.max_magnitude > 0):
            raise BadInput(f"max-magnitude = {self.max_magnitude}: it must be a finite number above 0")
        if not (self.step >= FLOAT32_LEAST and self.max_magnitude <= FLOAT32_MOST):
            raise BadInput(
                f"max-magnitude = {self.max_magnitude:g}, or {self.step:g} a level: the weights' float32 holds "
                f"{FLOAT32_LEAST:.2g} to {FLOAT32_MOST:.2g} (where no max-magnitude is given, lr * steps decides)"
            )
        if not 0 <= self.threshold < 1:
            raise BadInput(f"threshold = {self.threshold}: it is a share of max-magnitude, from 0 to less than 1")

    @property
    def level_type(self) -> np.dtype[Any]:
        """The narrowest unsigned integers that hold a quantised magnitude."""
        return level_type(self.levels.bit_length())

    @property
    def level_bits(self) -> int:
        """Bits that a kept entry's level takes in an upload: 0 for one level, which the mask implies; 1 for two."""
        return (self.levels - 1).bit_length()

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
        return levels.astype(self.level_type)

    def saturated(self, magnitudes: NDArray[np.float32]) -> int:
        """How many magnitudes lie above the highest level by more than half a step, and so are cut."""
        return int(np.count_nonzero(magnitudes > self.max_magnitude + self.step / 2))
