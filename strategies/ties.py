"""TIES-merging (Yadav et al. 2023, arXiv 2306.01708)."""

from collections.abc import Mapping, Sequence

import numpy as np

from fedsift.merging.ties import SCALES, Ties
from strategies.compared_method import Vector
from strategies.merged_fine_tunings import MergedFineTunings
from strategies.method import Method, everybody_else, model


class TiesMerging(MergedFineTunings):
    """Everybody is served the merged vector times lambda, which the validation clients choose; K is 20%."""

    method = Method("ties", "TIES", "Yadav et al. 2023, arXiv 2306.01708", True, everybody_else, "T", model, "M")
    candidates = tuple({"scale": scale} for scale in SCALES)

    def new_merger(self) -> Ties:
        """Sums and counts of the trimmed entries by sign."""
        return Ties(self.size)

    def shared(self) -> dict[str, Vector]:
        """The merged vector, lambda 1."""
        return {"merged": self.merger.merged()}

    @staticmethod
    def serve(own: Vector | None, shared: Mapping[str, Vector], sizes: Sequence[int], **terms: float) -> list[Vector]:
        """The merged vector times lambda."""
        return [shared["merged"] * np.float32(terms["scale"])]
