"""What SIFT-Masks merges, and what it serves from: the sums over some members, without who they are."""

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

    def served_magnitudes(self, packed_mask: bytes | memoryview, localisation: Localisation) -> NDArray[np.float32]:
        """Magnitudes of shape (k,) for the k entries of a mask; none where its member is served from its own levels."""
        if localisation.keeps_levels:
            return np.empty(0, np.float32)
        served = []
        for start, mask in mask_slices(packed_mask, self.terms.size):
            entries = slice(start, start + len(mask))
            level_sum, mask_count = self.sums.level_sum[entries][mask], self.sums.mask_count[entries][mask]
            served.append(localisation.magnitudes(level_sum, mask_count, self.terms.grid.step, self.members))
        return np.concatenate(served)

    def merged_magnitudes(self, merge_scale: float = 1.0, noise: Noise | None = None) -> NDArray[np.float32]:
        """Lambda * S * step / |T|, shape (n,): the merged model that everybody without a mask gets.

        Zero without members; `merge_scale` is lambda, `noise` is added to S.
        """
        scale = merge_scale * self.terms.grid.step / max(1, self.members)
        merged = np.empty(self.terms.size, np.float32)
        for start in range(0, self.terms.size, SLICE):
            level_sum = self.sums.level_sum[start : start + SLICE]
            published = level_sum if noise is None else level_sum + noise(start, len(level_sum))
            merged[start : start + SLICE] = published * scale
        return merged
