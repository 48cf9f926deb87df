"""Serving a member: from its own mask and the running sums to the magnitudes of its task vector.

With S the sum of levels, C the count of masks, |T| the number of members, and of the member itself its mask m and its
levels q, entry by entry:

    paper        m * S * step / |T|      the merged model under the mask (section 3, "localization")
    coordinate   m * S * step / C        the mean over the members that moved that coordinate
    own          q * step                the mean, level by level, over the members that reached it

What each is worth: docs/explanation/two-levels.md. The last one needs no sums: a member's mask for each level says all.
A localisation needs nothing of other members but the sums, so a removal never touches a mask.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.bit_packing import entries_kept
from fedsift.core.contribution import UploadTerms, mask_slices, unpack_levels
from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.mask_file import ClientMask

OWN_LEVELS = "own"
LOCALISATIONS = ("paper", "coordinate", OWN_LEVELS)


@dataclass(frozen=True)
class Localisation:
    """How masked sums become a member's magnitudes."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in LOCALISATIONS:
            raise unknown_name("localisation", self.name, LOCALISATIONS)

    @property
    def keeps_levels(self) -> bool:
        """Whether the member keeps its levels beside its mask, and is served from them alone."""
        return self.name == OWN_LEVELS

    def magnitudes(
        self, level_sum: NDArray[Any], mask_count: NDArray[Any], step: float, members: int
    ) -> NDArray[np.float32]:
        """What the server sends to a member.

        Args:
            level_sum: S at the k entries that the member's mask keeps, shape (k,).
            mask_count: C at the same entries, shape (k,); at least 1, since the member itself is counted.
            step: what one level is worth.
            members: |T|.

        Returns:
            Magnitudes of shape (k,), in float64 arithmetic rounded once to float32; none where it keeps its levels.
        """
        if self.keeps_levels:
            return np.empty(0, np.float32)
        divisor = members if self.name == "paper" else mask_count
        return (level_sum.astype(np.float64) * step / divisor).astype(np.float32)

    def localised(self, served: NDArray[np.float32], mask: ClientMask, terms: UploadTerms) -> NDArray[np.float32]:
        """The magnitudes that a member runs with, shape (n,); made by the member, who alone has its mask.

        Args:
            served: what the server sent, as of `magnitudes`.
            mask: what the member keeps.
            terms: of the federation.

        Raises:
            BadInput: the member did not keep its levels, or what the server sent is not of the mask's size.
        """
        kept = entries_kept(mask.packed, terms.size)
        expected = 0 if self.keeps_levels else kept
        if served.shape != (expected,):
            raise BadInput(f"served magnitudes of shape {served.shape}; for this member's mask they have ({expected},)")
        packed_levels = mask.packed_levels
        if self.keeps_levels and packed_levels is None:
            why = "this member kept its mask only, as the merge was under another one"
            raise BadInput(f"localise = {OWN_LEVELS}: {why}")
        magnitudes, used = np.zeros(terms.size, np.float32), 0
        for start, places in mask_slices(mask.packed, terms.size):
            entries = np.flatnonzero(places) + start
            if self.keeps_levels and packed_levels is not None:
                levels = unpack_levels(packed_levels, len(entries), terms.grid, used)
                magnitudes[entries] = levels.astype(np.float64) * terms.grid.step
            else:
                magnitudes[entries] = served[used : used + len(entries)]
            used += len(entries)
        return magnitudes
