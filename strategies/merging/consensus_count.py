"""Consensus merging: one mask for everybody, out of all TALL-masks (arXiv 2405.07813).

An entry is kept that at least 2 members' masks keep: one that nobody's mask keeps only does harm, one that a single
mask keeps serves that member alone (`nik-dim/tall_masks`, src/utils/tallmask_utils.py, `construct_consensus_mask`).
"""

import hashlib

import numpy as np

from fedsift.core.errors import Refused
from fedsift.strategies.merging.vectors import Mask, hash_vector

AT_LEAST = 2  # masks


class ConsensusCount:
    """How many members' masks keep each entry: 4 bytes a parameter.

    Attributes:
        members: number of masks counted.
    """

    def __init__(self, size: int) -> None:
        """No members, for masks of `size` entries."""
        self.members = 0
        self._count = np.zeros(size, np.uint32)

    @property
    def nbytes(self) -> int:
        """Memory of the counts."""
        return self._count.nbytes

    def add(self, mask: Mask) -> None:
        """Count a member's mask, shape (n,).

        Raises:
            Refused: it is of another shape; nothing is changed.
        """
        self._check(mask)
        self._count += mask
        self.members += 1

    def subtract(self, mask: Mask) -> None:
        """Discount a member's mask, shape (n,), exactly.

        Raises:
            Refused: the counts do not contain it; nothing is changed.
        """
        self._check(mask)
        if not self.members or (mask & (self._count == 0)).any():
            raise Refused("the counts do not contain this mask")
        self._count -= mask
        self.members -= 1

    def mask(self, at_least: int = AT_LEAST) -> Mask:
        """The entries that at least so many masks keep, shape (n,)."""
        return self._count >= at_least

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over the number of members and the counts."""
        state = hashlib.sha256(self.members.to_bytes(8, "little"))
        hash_vector(state, self._count)
        return state.digest()

    def _check(self, mask: Mask) -> None:
        if mask.dtype != np.bool_ or mask.shape != self._count.shape:
            raise Refused(f"a mask of {mask.dtype} and shape {mask.shape}; this count takes bool ({len(self._count)},)")
