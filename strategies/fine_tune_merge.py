"""FT + Merge: the mean of the members' task vectors (task arithmetic, Ilharco et al. 2023, arXiv 2212.04089)."""

from collections.abc import Mapping, Sequence

from fedsift.merging.fine_tune_merge import Mean
from strategies.compared_method import Vector
from strategies.merged_fine_tunings import MergedFineTunings
from strategies.method import Method, model, one


class FineTuneMerge(MergedFineTunings):
    """Everybody is served the mean; a leaver trains again and is subtracted from the sum."""

    method = Method("ft-merge", "FT + Merge", "Ilharco et al. 2023, arXiv 2212.04089", True, one, "1", model, "M")
    subtracts = True

    def new_merger(self) -> Mean:
        """A sum of task vectors, in fixed point."""
        return Mean(self.size)

    def shared(self) -> dict[str, Vector]:
        """The mean."""
        return {"merged": self.merger.merged()}

    @staticmethod
    def serve(own: Vector | None, shared: Mapping[str, Vector], sizes: Sequence[int], **terms: float) -> list[Vector]:
        """The mean."""
        return [shared["merged"]]
