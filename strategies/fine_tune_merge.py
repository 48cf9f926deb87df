"""FT + Merge: the mean of the members' task vectors (task arithmetic, Ilharco et al. 2023, arXiv 2212.04089)."""

from fedsift.strategies.clusters import CLUSTERS, random_cluster
from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.merging.fine_tune_merge import Mean
from fedsift.strategies.method import Method, model, models, one

_PAPER = "Ilharco et al. 2023, arXiv 2212.04089"


class FineTuneMerge(MergedFineTunings):
    """Everybody is served the mean; a leaver trains again and is subtracted from the sum."""

    method = Method("ft-merge", "FT + Merge", _PAPER, True, one, "1", model, "M")
    subtracts = True

    def new_merger(self) -> Mean:
        """A sum of task vectors, in fixed point."""
        return Mean(self.size)

    def shared(self) -> dict[str, Vector]:
        """The mean of each cluster that has members, by its number."""
        return {str(place): each.merged() for place, each in enumerate(self.mergers) if each.members}

    def own_terms(self, client_id: str) -> dict[str, float]:
        """A member's cluster; nothing for others."""
        return {"cluster": random_cluster(client_id, self.clusters)} if client_id in self.members else {}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """A member's cluster's mean; others are scored by all clusters' means, over which the mean is taken."""
        shared = recipient.shared
        return [shared[str(int(terms["cluster"]))]] if "cluster" in terms else list(shared.values())


class ClusteredFineTuneMerge(FineTuneMerge):
    """The same within each of a few random clusters."""

    clusters = CLUSTERS
    method = Method("clustered-ft-merge", "clustered FT + Merge", _PAPER, True, one, "1", models(CLUSTERS), "M S")
