"""TALL-masks (Wang et al. 2024, arXiv 2405.07813)."""

from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.merging.fine_tune_merge import Mean
from fedsift.strategies.merging.tall_masks import DENSITIES, SCALES, lambda_of_density, served, tall_mask
from fedsift.strategies.method import Method, everybody_else, model_and_masks


class TallMasks(MergedFineTunings):
    """A member is served the mean under the mask of what is its own in the sum.

    The mask depends on everybody's task vectors, so after a removal all masks are made anew, from all trainings.
    """

    method = Method(
        "tall-masks",
        "TALL-masks",
        "Wang et al. 2024, arXiv 2405.07813",
        True,
        everybody_else,
        "T",
        model_and_masks,
        "M (1 + T/32)",
    )
    candidates = tuple({"density": density, "alpha": alpha} for density in DENSITIES for alpha in SCALES)

    def new_merger(self) -> Mean:
        """A sum of task vectors, in fixed point."""
        return Mean(self.size)

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
