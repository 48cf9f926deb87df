"""A sum of task vectors in fixed point: 64-bit integers in units of 2^-40.

Float additions round, so their result depends on the order and a subtraction does not undo them; integer additions do
neither. A float32 has 24 significant bits, so entries from 2^-17 (7.6e-6) up are whole multiples of 2^-40 and enter the
sum exactly, smaller ones are off by at most 2^-41 (4.5e-13). 63 bits hold sums up to 2^23 (8.4 million).
"""

import numpy as np
from numpy.typing import NDArray

from fedsift.core.errors import Refused
from fedsift.core.task_vectors import Mask, Vector, largest_magnitude, slices

SCALE = 40  # binary digits after the point
_LARGEST = 2**63 - 1


class FixedPointSum:
    """The sum over the vectors added, less those subtracted.

    Attributes:
        units: the sum in units of 2^-SCALE, int64 of shape (n,).
    """

    def __init__(self, size: int) -> None:
        """Zero, for task vectors of `size` entries."""
        self.units = np.zeros(size, np.int64)
        # The sum of the largest |units| of each vector: no entry can exceed it, whatever came in which order.
        self._reach = 0

    def add(self, task_vector: Vector, keep: Mask | None = None, weight: int = 1) -> None:
        """Add the entries that `keep` keeps, or all.

        Args:
            task_vector: float32, shape (n,).
            keep: which entries count, shape (n,); the others count as zero.
            weight: how many times it counts, from 0 on.

        Raises:
            Refused: an entry is not finite, or the sum could leave its range; nothing is changed.
        """
        reach = self._reach + weight * self._reach_of(task_vector)
        if reach > _LARGEST:
            raise Refused(f"with this task vector the sum could exceed 2^{63 - SCALE}, the largest that it can hold")
        self._reach = reach
        for entries in slices(len(self.units)):
            units = _kept_units(task_vector, keep, entries)
            self.units[entries] += units if weight == 1 else weight * units

    def subtract(self, task_vector: Vector, keep: Mask | None = None) -> None:
        """Undo an `add` with the same `keep`, exactly.

        Raises:
            Refused: an entry is not finite, or larger than all that was added; nothing is changed. Signed sums cannot
                tell more about what they contain.
        """
        reach = self._reach - self._reach_of(task_vector)
        if reach < 0:
            raise Refused("the sum does not contain this task vector: it is too large")
        self._reach = reach
        for entries in slices(len(self.units)):
            self.units[entries] -= _kept_units(task_vector, keep, entries)

    def mean(self, count: int) -> Vector:
        """The sum divided by `count`, or by 1 for none; float32, shape (n,), by way of float64."""
        divisor = float(max(1, count) << SCALE)
        mean = np.empty(len(self.units), np.float32)
        for entries in slices(len(mean)):
            mean[entries] = self.units[entries] / divisor
        return mean

    def total(self) -> Vector:
        """The sum; float32, shape (n,)."""
        return self.mean(1)

    def _reach_of(self, task_vector: Vector) -> int:
        return int(np.rint(largest_magnitude(task_vector, len(self.units)) * 2.0**SCALE))


def _kept_units(task_vector: Vector, keep: Mask | None, entries: slice) -> NDArray[np.int64]:
    units = task_vector[entries] * np.float64(2.0**SCALE)  # exact: float64, and a power of 2
    if keep is not None:
        units *= keep[entries]
    return np.rint(units, out=units).astype(np.int64)
