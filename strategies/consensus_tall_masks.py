"""Consensus TALL-masks: one mask for everybody, out of all TALL-masks (arXiv 2405.07813, section 4.2).

An entry is kept that at least 2 members' masks keep: one that nobody's mask keeps only does harm, one that a single
mask keeps serves that member alone (`nik-dim/tall_masks`, src/utils/tallmask_utils.py, `construct_consensus_mask`).
"""

import hashlib
from collections.abc import Mapping, Set

import numpy as np

from fedsift.core.errors import Refused
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Mask, Vector
from fedsift.protocol.compared_method import Clients, Recipient, Terms, Work
from fedsift.protocol.method import EVERYBODY_ELSE, MODEL
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings, Merger
from fedsift.strategies.fine_tune_merge import Mean
from fedsift.strategies.tall_masks import DENSITIES, SCALES, lambda_of_density, served, tall_mask

AT_LEAST = 2  # masks


class ConsensusCount(Merger):
    """How many members' masks keep each entry: 4 bytes a parameter."""

    def __init__(self, size: int) -> None:
        """No members, for masks of `size` entries."""
        self._count = np.zeros(size, np.uint32)
        super().__init__(self._count)

    def add(self, mask: Mask) -> None:  # type: ignore[override]
        """Count a member's mask, shape (n,).

        Raises:
            Refused: it is of another shape; nothing is changed.
        """
        if mask.dtype != np.bool_ or mask.shape != self._count.shape:
            raise Refused(f"a mask of {mask.dtype} and shape {mask.shape}; this count takes bool ({len(self._count)},)")
        self._count += mask
        self.members += 1

    def mask(self) -> Mask:
        """The entries that at least `AT_LEAST` masks keep, shape (n,)."""
        return self._count >= AT_LEAST


class ConsensusTallMasks(MergedFineTunings[Mean]):
    """Everybody is served the mean where at least two members' TALL-masks keep it, times alpha.

    After each merge the members make their masks from the sum and send them; they are counted and dropped.
    """

    name, title, place = "consensus-tall-masks", "consensus TALL-masks", 14
    paper = "Wang et al. 2024, arXiv 2405.07813"
    exact, cost, storage = True, EVERYBODY_ELSE, MODEL
    candidates = tuple({"density": density, "alpha": alpha} for density in DENSITIES for alpha in SCALES)
    new_merger = Mean

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        super().__init__(layout, chosen)
        self._counts: dict[float, ConsensusCount] = {}

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Merge, then count the members' masks anew, since the sum has changed."""
        work = super().change(clients, joining, leaving)
        densities = (self.chosen["density"],) if self.chosen else DENSITIES
        self._counts = {density: ConsensusCount(self.layout.size) for density in densities}
        candidates = [{"density": density} for density in densities]
        for _, masks in clients.masks(self, self.members, candidates, {"total": self.merger.total()}):
            for count, mask in zip(self._counts.values(), masks, strict=True):
                count.add(mask)
        return work

    @classmethod
    def mask(cls, own: Vector, shared: Mapping[str, Vector], **terms: float) -> Mask:
        """The TALL-mask of a density."""
        total = shared["total"]
        return tall_mask(own, total, lambda_of_density(own, total, terms["density"]))

    def settle(self) -> None:
        """Keep the count of the density chosen."""
        density = self.chosen["density"]
        self._counts = {density: self._counts[density]}

    def digest(self) -> str:
        """Of the sum and of the counts of masks."""
        digest = hashlib.sha256(self.merger.digest())
        for count in self._counts.values():
            digest.update(count.digest())
        return digest.hexdigest()

    def shared(self) -> dict[str, Vector]:
        """The mean under the consensus of each density."""
        merged = self.merger.merged()
        return {str(density): served(merged, count.mask()) for density, count in self._counts.items()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The mean under the consensus, times alpha."""
        return [recipient.shared[str(terms["density"])] * terms["alpha"]]
