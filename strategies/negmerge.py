"""NegMerge (Kim et al. 2025, arXiv 2410.05583), on top of Central FT."""

from collections.abc import Mapping

import numpy as np

from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.task_vectors import Vector, slices
from fedsift.protocol.method import MODEL, several
from fedsift.strategies.families.negated_central_ft import SCALES, NegatedCentralFineTuning, negated

_LR_FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)  # the varied hyper-parameter; ours, the paper varies what its models have


class SignConsensus:
    """NegMerge's merge of K task vectors: their mean where all K signs agree, else zero. 12 bytes a parameter.

    A zero agrees with nothing: the reference keeps an entry where the signs, -1, 0 or 1, add up to K or to -K.
    """

    def __init__(self, size: int) -> None:
        """No task vectors yet, of `size` entries."""
        self.members = 0
        self._sum = FixedPointSum(size)
        self._sign_sum = np.zeros(size, np.int32)

    def add(self, task_vector: Vector) -> None:
        """Merge a task vector, shape (n,)."""
        self._sum.add(task_vector)
        for entries in slices(len(task_vector)):
            self._sign_sum[entries] += np.sign(task_vector[entries]).astype(np.int32)
        self.members += 1

    def merged(self) -> Vector:
        """The consensus, shape (n,)."""
        merged = self._sum.mean(self.members)
        merged[np.abs(self._sign_sum) != self.members] = 0
        return merged


class NegMerge(NegatedCentralFineTuning):
    """theta_D - lambda * tau, tau the entries in which K trainings on the leavers' data agree in sign."""

    name, title, paper, place = "negmerge", "NegMerge", "Kim et al. 2025, arXiv 2410.05583", 31
    cost, storage = several(len(_LR_FACTORS)), MODEL
    searched = tuple({"scale": scale} for scale in SCALES)
    lr_factors = _LR_FACTORS

    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """The consensus."""
        consensus = SignConsensus(self.layout.size)
        for each in forget:
            consensus.add(each)
        return {"consensus": consensus.merged()}

    @staticmethod
    def arithmetic(model: Vector, parts: Mapping[str, Vector], **terms: float) -> Vector:
        """tau_D - lambda * tau."""
        return negated(model, parts["consensus"], terms["scale"])
