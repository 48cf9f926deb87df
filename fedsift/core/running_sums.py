"""The sums that are all a server keeps of its members' contributions.

S = sum of q and C = sum of m in unsigned integers, and of the shared head G, B and m in signed ones: addition is exact
and commutes, so any order and any grouping of the members gives the same bits, and subtracting a member gives the bits
of the sums that never had it.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE, UploadTerms
from fedsift.core.errors import BadInput, Refused
from fedsift.core.head_statistics import diagonal
from fedsift.core.upload import Upload

# The summands of a head's sums fit 32 bits with their sign, so 64 hold the sum over so many members.
_MOST_MEMBERS_OF_A_HEAD = 2**32 - 1


def _narrowest(largest: int) -> np.dtype[Any]:
    for dtype in (np.uint16, np.uint32, np.uint64):
        if largest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise BadInput(f"a sum of up to {largest} does not fit 64 bits; use fewer levels or a smaller capacity")


def sums_bytes(terms: UploadTerms, capacity: int) -> int:
    """Memory that `RunningSums` of these take, known before any is taken."""
    widths = _narrowest(capacity * terms.grid.levels).itemsize + _narrowest(capacity).itemsize
    return terms.size * widths + head_bytes(terms)


def head_bytes(terms: UploadTerms) -> int:
    """Those of them that are the shared head's; 0 without one."""
    return sum(terms.head.vectors().values()) * np.dtype(np.int64).itemsize if terms.head else 0


class RunningSums:
    """All sums over at most `capacity` members."""

    def __init__(self, terms: UploadTerms, capacity: int) -> None:
        """All sums zero, in the narrowest integers that `capacity` members cannot overflow.

        With levels up to 2, S and C fit 16 bits for up to 32,767 members.
        """
        if capacity < 1:
            raise BadInput(f"capacity = {capacity}: there must be room for at least one member")
        if terms.head and capacity > _MOST_MEMBERS_OF_A_HEAD:
            raise BadInput(f"capacity = {capacity}: a shared head has room for {_MOST_MEMBERS_OF_A_HEAD:,} members")
        self.terms, self.capacity = terms, capacity
        self.level_sum: NDArray[Any] = np.zeros(terms.size, _narrowest(capacity * terms.grid.levels))
        self.mask_count: NDArray[Any] = np.zeros(terms.size, _narrowest(capacity))
        sizes = terms.head.vectors() if terms.head else {}
        self.head = {name: np.zeros(size, np.int64) for name, size in sizes.items()}

    @property
    def nbytes(self) -> int:
        """Memory of all sums."""
        return sum(vector.nbytes for _, vector in self.vectors())

    def add(self, upload: Upload) -> None:
        """Add each of its vectors. The caller keeps the number of members within `capacity`."""
        for piece in upload.task_vector.slices():
            levels = piece.levels.astype(self.level_sum.dtype)  # `add.at` is fast where both types are the same.
            np.add.at(self.level_sum[piece.entries], piece.places, levels)
            self.mask_count[piece.entries] += piece.mask
        if upload.head:
            for vector, start, values in upload.head.pieces():
                self.head[vector][start : start + len(values)] += values

    def subtract(self, upload: Upload) -> None:
        """Undo an `add`, all or nothing.

        Raises:
            Refused: the sums do not contain the upload; nothing is changed.
        """
        self._check_contained(upload)
        for piece in upload.task_vector.slices():
            levels = piece.levels.astype(self.level_sum.dtype)
            np.subtract.at(self.level_sum[piece.entries], piece.places, levels)
            self.mask_count[piece.entries] -= piece.mask
        if upload.head:
            for vector, start, values in upload.head.pieces():
                self.head[vector][start : start + len(values)] -= values

    def _check_contained(self, upload: Upload) -> None:
        for piece in upload.task_vector.slices():
            held = self.level_sum[piece.entries].take(piece.places)
            if (held < piece.levels).any() or not self.mask_count[piece.entries].take(piece.places).all():
                last = piece.entries.stop - 1
                raise Refused(f"the sums do not contain this contribution (entries {piece.start} to {last})")
        if head := upload.head:  # Sums of squares: of these no member's can be above that of all.
            squares = self.head["head gram"][diagonal(head.terms.features)]
            if (squares < head.diagonal).any() or self.head["head decisions"][0] < head.decisions:
                raise Refused("the sums of the shared head do not contain this contribution")

    def vectors(self) -> tuple[tuple[str, NDArray[Any]], ...]:
        """S, C and those of the head, with the names they go by outside this class."""
        return ("level sum", self.level_sum), ("mask count", self.mask_count), *self.head.items()

    def update_hash(self, state: "hashlib._Hash") -> None:
        """Feed all of them as little-endian 64-bit integers: the hash does not depend on the width they are kept in."""
        for _, array in self.vectors():
            for start in range(0, len(array), SLICE):
                state.update(array[start : start + SLICE].astype("<i8" if array.dtype.kind == "i" else "<u8").data)
