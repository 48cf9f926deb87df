"""TALL-masks: a member keeps the entries in which the sum lies near its own task vector (arXiv 2405.07813).

    m_t = 1{|tau_t| >= lambda * |tau_sum - tau_t|}          the member is served M0 + alpha * m_t * merged

The server keeps the sum (`Mean`); the member makes its mask from the sum and from its own task vector.

Which formula. The mask is that of both papers (arXiv 2504.04626, section 3), with >=. The reference code
(`nik-dim/tall_masks`, src/utils/tallmask_utils.py) compares with >. They differ where neither the member nor anybody
else moved an entry: 0 >= 0 keeps it. What is served is the same, zero, but the density is not, and with sparse task
vectors such entries can fill the share asked for.

What is masked. arXiv 2504.04626 "merges by averaging" (section 3), divides by |T| in algorithm 1 and tunes alpha around
1 (appendix B), so there `merged` is the mean. TALL-masks' own code serves m_t * tau_sum: pass the sum, with alpha 1.

How lambda is found. Appendix B tunes it "based on the density of the mask", as the magnitudes of merged weights vary
across data sets: `lambda_of_density`.
"""

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.core.task_vectors import Mask, Vector, slices
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import EVERYBODY_ELSE, MODEL_AND_MASKS
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.fine_tune_merge import Mean

DENSITIES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the mask (arXiv 2504.04626, appendix B)
SCALES = (0.8, 1.0, 1.2, 1.4, 1.6)  # alpha (the same)


def tall_mask(task_vector: Vector, total: Vector, threshold: float) -> Mask:
    """The member's mask m_t from its own tau_t and tau_sum over all members; all of shape (n,).

    The threshold is lambda, from 0; infinity keeps only what the sum holds exactly.
    """
    mask = np.empty(len(task_vector), np.bool_)
    for entries in slices(len(mask)):
        mask[entries] = _ratio(task_vector[entries], total[entries]) >= np.float32(threshold)
    return mask


def lambda_of_density(task_vector: Vector, total: Vector, density: float) -> float:
    """The largest lambda whose mask keeps the share `density` of the entries: that ratio which as many reach.

    The mask keeps round(density * n) entries (at least one), and any whose ratio is the very same.

    Raises:
        BadInput: `density` is not a share above 0, up to 1.
    """
    if not 0 < density <= 1:
        raise BadInput(f"mask density = {density}: it is the share of entries kept, above 0 and up to 1")
    ratios = np.empty(len(task_vector), np.float32)
    for entries in slices(len(ratios)):
        ratios[entries] = _ratio(task_vector[entries], total[entries])
    place = len(ratios) - max(1, round(density * len(ratios)))
    ratios.partition(place)
    return float(ratios[place])


def served(merged: Vector, mask: Mask, alpha: float = 1.0) -> Vector:
    """The task vector that a member is served, alpha * m * merged; shape (n,)."""
    return np.multiply(merged, np.float32(alpha), out=np.zeros_like(merged), where=mask)


def _ratio(task_vector: Vector, total: Vector) -> Vector:
    """|tau_t| / |tau_sum - tau_t| in float64, rounded once to float32; infinite for x / 0 and, as 0 >= 0, for 0 / 0."""
    own = task_vector.astype(np.float64)
    others = np.abs(total - own)
    ratio = np.full(len(own), np.inf, np.float32)
    with np.errstate(over="ignore"):  # beyond float32 is as good as infinite
        np.divide(np.abs(own), others, out=ratio, where=others > 0, casting="same_kind")
    return ratio


class TallMasks(MergedFineTunings[Mean]):
    """A member is served the mean under the mask of what is its own in the sum.

    The mask depends on everybody's task vectors, so after a removal all masks are made anew, from all trainings.
    """

    name, title, paper, place = "tall-masks", "TALL-masks", "Wang et al. 2024, arXiv 2405.07813", 13
    exact, cost, storage = True, EVERYBODY_ELSE, MODEL_AND_MASKS
    candidates = tuple({"density": density, "alpha": alpha} for density in DENSITIES for alpha in SCALES)
    new_merger = Mean

    def shared(self) -> dict[str, Vector]:
        """The mean, and the sum that masks are made from."""
        return {"merged": self.merger.merged(), "total": self.merger.total()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The mean; for a member under its mask, times alpha."""
        own, shared = recipient.own, recipient.shared
        if own is None:
            return [shared["merged"]]
        threshold = lambda_of_density(own, shared["total"], terms["density"])
        return [served(shared["merged"], tall_mask(own, shared["total"], threshold), terms["alpha"])]
