"""TIES-merging (Yadav et al. 2023, arXiv 2306.01708)."""

import hashlib

import numpy as np

from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.merging.ties import DENSITIES, SCALES, Ties
from fedsift.strategies.method import Method, everybody_else, model


class _Densities:
    """A merge for each density K that is still to choose from."""

    def __init__(self, size: int, densities: tuple[float, ...]) -> None:
        self.merges = {density: Ties(size, density=density) for density in densities}

    def add(self, task_vector: Vector) -> None:
        """Merge one more into each."""
        for merge in self.merges.values():
            merge.add(task_vector)

    def digest(self) -> bytes:
        """Over all of them."""
        return hashlib.sha256(b"".join(merge.digest() for merge in self.merges.values())).digest()


class TiesMerging(MergedFineTunings):
    """Everybody is served the merged vector times lambda; validation clients choose lambda and the density K."""

    method = Method("ties", "TIES", "Yadav et al. 2023, arXiv 2306.01708", True, everybody_else, "T", model, "M")
    candidates = tuple({"density": density, "scale": scale} for density in DENSITIES for scale in SCALES)

    def new_merger(self) -> _Densities:
        """Sums and counts of the trimmed entries by sign, for the density chosen, or before that for each."""
        return _Densities(self.size, (self.chosen["density"],) if self.chosen else DENSITIES)

    def settle(self) -> None:
        """Keep the merge of the density chosen."""
        density = self.chosen["density"]
        self.merger.merges = {density: self.merger.merges[density]}

    def shared(self) -> dict[str, Vector]:
        """The merged vector of each density, lambda 1."""
        return {str(density): merge.merged() for density, merge in self.merger.merges.items()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The merged vector times lambda."""
        return [recipient.shared[str(terms["density"])] * np.float32(terms["scale"])]
