"""EMR-merging: elect, mask, rescale (Huang et al. 2024, arXiv 2405.17461)."""

from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.merging.emr import Emr, served
from fedsift.strategies.method import Method, everybody_else, model_and_masks


class EmrMerging(MergedFineTunings):
    """A member is served the unified vector where its own agrees in sign, rescaled to its own size."""

    method = Method(
        "emr",
        "EMR-merging",
        "Huang et al. 2024, arXiv 2405.17461",
        True,
        everybody_else,
        "T",
        model_and_masks,
        "M (1 + T/32)",
    )

    def new_merger(self) -> Emr:
        """The sum, and the largest entries of either sign."""
        return Emr(self.size)

    def shared(self) -> dict[str, Vector]:
        """The unified vector."""
        return {"unified": self.merger.merged()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The unified vector; for a member masked and rescaled."""
        unified = recipient.shared["unified"]
        return [unified if recipient.own is None else served(recipient.own, unified, recipient.sizes)]
