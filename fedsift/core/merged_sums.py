"""What SIFT-Masks merges, and what it serves from: the sums over some members, without who they are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE, UploadTerms, mask_slices
from fedsift.core.localisation import Localisation
from fedsift.core.publication import Noise
from fedsift.core.running_sums import RunningSums
from fedsift.core.upload import Upload


@dataclass
class MergedSums:
    """The sums over |T| members."""

    terms: UploadTerms  # of the members' contributions
    sums: RunningSums  # S and C, and those of the head
    members: int = 0  # |T|

    @classmethod
    def empty(cls, terms: UploadTerms, capacity: int) -> "MergedSums":
        """No members, and room for `capacity` of them."""
        return cls(terms, RunningSums(terms, capacity))

    def add(self, upload: Upload) -> None:
        """Merge a member."""
        self.sums.add(upload)
        self.members += 1

    def subtract(self, upload: Upload) -> None:
        """Remove a member.

        Raises:
            Refused: the sums do not contain the upload; nothing is changed.
        """
        self.sums.subtract(upload)
        self.members -= 1

    def served_slices(
        self, packed_mask: bytes | memoryview, localisation: Localisation
    ) -> Iterator[NDArray[np.float32]]:
        """Magnitudes for the k entries of a mask, by slices; none where its member is served from its own levels."""
        if localisation.keeps_levels:
            return
        for start, mask in mask_slices(packed_mask, self.terms.size):
            entries = slice(start, start + len(mask))
            level_sum, mask_count = self.sums.level_sum[entries][mask], self.sums.mask_count[entries][mask]
            yield localisation.magnitudes(level_sum, mask_count, self.terms.grid.step, self.members)

    def served_magnitudes(self, packed_mask: bytes | memoryview, localisation: Localisation) -> NDArray[np.float32]:
        """All of `served_slices`, shape (k,)."""
        return joined(self.served_slices(packed_mask, localisation), self.terms.size)

    def merged_slices(self, merge_scale: float = 1.0, noise: Noise | None = None) -> Iterator[NDArray[np.float32]]:
        """Lambda * S * step / |T|, n entries by slices: the merged model that everybody without a mask gets.

        Zero without members; `merge_scale` is lambda, `noise` is added to S.
        """
        scale = merge_scale * self.terms.grid.step / max(1, self.members)
        for start in range(0, self.terms.size, SLICE):
            level_sum = self.sums.level_sum[start : start + SLICE]
            published = level_sum if noise is None else level_sum + noise(start, len(level_sum))
            yield (published * scale).astype(np.float32)

    def merged_magnitudes(self, merge_scale: float = 1.0, noise: Noise | None = None) -> NDArray[np.float32]:
        """All of `merged_slices`, shape (n,)."""
        return joined(self.merged_slices(merge_scale, noise), self.terms.size)


def joined(slices: Iterable[NDArray[np.float32]], size: int) -> NDArray[np.float32]:
    """So many magnitudes in one array, which takes them as they come."""
    whole, filled = np.empty(size, np.float32), 0
    for each in slices:
        whole[filled : filled + len(each)] = each
        filled += len(each)
    return whole[:filled]
