"""The two sums that are all a server keeps of its members' contributions.

S = sum of q and C = sum of m, in unsigned integers: addition is exact and commutes, so any order and any grouping of
the members gives the same bits, and subtracting a member gives the bits of the sums that never had it.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE, Contribution
from fedsift.core.errors import BadInput, Refused


def _narrowest(largest: int) -> np.dtype[Any]:
    for dtype in (np.uint16, np.uint32, np.uint64):
        if largest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise BadInput(f"a sum of up to {largest} does not fit 64 bits; use fewer levels or a smaller capacity")


class RunningSums:
    """S and C over n parameters for at most `capacity` members."""

    def __init__(self, size: int, highest_level: int, capacity: int) -> None:
        """Both sums zero, in the narrowest unsigned integers that `capacity` members cannot overflow.

        With levels up to 2 both fit 16 bits for up to 32,767 members.
        """
        if capacity < 1:
            raise BadInput(f"capacity = {capacity}: there must be room for at least one member")
        self.capacity = capacity
        self.level_sum: NDArray[Any] = np.zeros(size, _narrowest(capacity * highest_level))
        self.mask_count: NDArray[Any] = np.zeros(size, _narrowest(capacity))

    @property
    def nbytes(self) -> int:
        """Memory of both sums."""
        return self.level_sum.nbytes + self.mask_count.nbytes

    def add(self, contribution: Contribution) -> None:
        """S += q and C += m. The caller keeps the number of members within `capacity`."""
        for piece in contribution.slices():
            levels = piece.levels.astype(self.level_sum.dtype)  # `add.at` is fast where both types are the same.
            np.add.at(self.level_sum[piece.entries], piece.places, levels)
            self.mask_count[piece.entries] += piece.mask

    def subtract(self, contribution: Contribution) -> None:
        """S -= q and C -= m, all or nothing.

        Raises:
            Refused: the sums do not contain the contribution; nothing is changed.
        """
        for piece in contribution.slices():
            held = self.level_sum[piece.entries].take(piece.places)
            if (held < piece.levels).any() or not self.mask_count[piece.entries].take(piece.places).all():
                last = piece.entries.stop - 1
                raise Refused(f"the sums do not contain this contribution (entries {piece.start} to {last})")
        for piece in contribution.slices():
            levels = piece.levels.astype(self.level_sum.dtype)
            np.subtract.at(self.level_sum[piece.entries], piece.places, levels)
            self.mask_count[piece.entries] -= piece.mask

    def vectors(self) -> tuple[tuple[str, NDArray[Any]], tuple[str, NDArray[Any]]]:
        """S and C, with the names they go by outside this class."""
        return ("level sum", self.level_sum), ("mask count", self.mask_count)

    def update_hash(self, state: "hashlib._Hash") -> None:
        """Feed S, then C, as little-endian 64-bit integers: the hash does not depend on the width they are kept in."""
        for array in (self.level_sum, self.mask_count):
            for start in range(0, len(array), SLICE):
                state.update(array[start : start + SLICE].astype("<u8").data)
