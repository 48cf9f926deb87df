"""Iso-C: one task matrix for all, its directions made equally strong (Marczak et al. 2025, arXiv 2502.04959).

As the reference does it (`danielm1405/iso-merging`), parameter by parameter:

    a matrix         U S V^T = SVD(sum of the members' task matrices); served lambda * mean(S) * U V^T
    anything else    the mean of the members' task vectors, times lambda

Here the mean stands for the sum in both, so lambda means the same for any number of members: for matrices it is |T|
times that of the reference. The decomposition is made anew from the sum whenever somebody is served; the sum alone is
the state, so a leaver is subtracted from it, to the bit.
"""

import numpy as np

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import MODEL, ONE
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.fine_tune_merge import Mean

SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)  # lambda, of the mean; ours


def isotropic(merged: Vector, layout: ParameterLayout) -> Vector:
    """A task vector whose matrices have all their singular values at their mean.

    Args:
        merged: shape (n,).
        layout: which of its entries are matrices.

    Returns:
        float32, shape (n,), by way of float64; what is no matrix is as it was.
    """
    served = merged.copy()
    for offset, size, shape in zip(layout.offsets, layout.sizes, layout.shapes, strict=True):
        if len(shape) == 2:
            entries = slice(offset, offset + size)
            left, strengths, right = np.linalg.svd(merged[entries].reshape(shape).astype(np.float64), False)
            served[entries] = (strengths.mean() * (left @ right)).reshape(-1)
    return served


class IsoC(MergedFineTunings[Mean]):
    """Everybody is served the isotropic mean times lambda, which validation clients choose."""

    name, title, paper, place = "iso-c", "Iso-C", "Marczak et al. 2025, arXiv 2502.04959", 13
    exact, cost, storage = True, ONE, MODEL
    new_merger, subtracts = Mean, True
    candidates = tuple({"scale": scale} for scale in SCALES)

    def shared(self) -> dict[str, Vector]:
        """The isotropic mean, lambda 1."""
        return {"isotropic": isotropic(self.merger.merged(), self.layout)}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The isotropic mean times lambda."""
        return [recipient.shared["isotropic"] * np.float32(terms["scale"])]
