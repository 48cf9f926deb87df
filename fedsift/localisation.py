"""Serving a member: from its own mask and the running sums to the magnitudes of its task vector.

With S the sum of levels, C the count of masks, |T| the number of members and m the member's mask, entry by entry:

    paper        m * S * step / |T|      the merged model under the mask (section 3, "localization")
    coordinate   m * S * step / C        the mean over the members that moved that coordinate

`+l1` on top of either rescales to the L1 norm of the member's own task vector, a scalar that it made alone (after
EMR-merging's rescaler). A localisation needs nothing of other members but the sums, so a removal never touches a mask.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.errors import unknown_name

LOCALISATIONS = ("paper", "coordinate", "paper+l1", "coordinate+l1")


@dataclass(frozen=True)
class Localisation:
    """How masked sums become a member's magnitudes."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in LOCALISATIONS:
            raise unknown_name("localisation", self.name, LOCALISATIONS)

    @property
    def restores_l1(self) -> bool:
        """Whether the member rescales what it is served to its own L1 norm."""
        return self.name.endswith("+l1")

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
            Magnitudes of shape (k,), in float64 arithmetic rounded once to float32.
        """
        divisor = members if self.name.startswith("paper") else mask_count
        return (level_sum.astype(np.float64) * step / divisor).astype(np.float32)


def restore_l1(magnitudes: NDArray[np.float32], own_l1: float) -> NDArray[np.float32]:
    """Rescale magnitudes >= 0 to the L1 norm `own_l1`; run by the member, who alone knows it."""
    total = float(magnitudes.sum(dtype=np.float64))
    if total == 0.0:
        return magnitudes
    return (magnitudes.astype(np.float64) * (own_l1 / total)).astype(np.float32)
