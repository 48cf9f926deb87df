"""FT + Merge: the plain mean of the members' task vectors.

Task arithmetic (Ilharco et al. 2023, arXiv 2212.04089) with the unweighted, unscaled mean of arXiv 2504.04626
(section 3, and appendix B, "Merging"): M0 + sum of tau_t / |T|. `task-arithmetic` scales it: M0 + lambda * sum / |T|.
"""

import numpy as np

from fedsift.core.errors import Refused
from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import MODEL, ONE, models
from fedsift.strategies.families.clusters import CLUSTERS, random_cluster
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings, Merger

SCALES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # lambda, of the mean; ours


class Mean(Merger):
    """The sum of the members' task vectors and their number |T|: 8 bytes a parameter."""

    def __init__(self, size: int) -> None:
        """No members, for task vectors of `size` entries."""
        self._sum = FixedPointSum(size)
        super().__init__(self._sum.units)

    def add(self, task_vector: Vector) -> None:
        """Merge a member's task vector, shape (n,)."""
        self._sum.add(task_vector)
        self.members += 1

    def subtract(self, task_vector: Vector) -> None:
        """Remove a member's task vector, shape (n,), to the bits of the sum that never had it.

        Raises:
            Refused: it cannot be a member's; nothing is changed.
        """
        if not self.members:
            raise Refused("there is no member to remove")
        self._sum.subtract(task_vector)
        self.members -= 1

    def merged(self) -> Vector:
        """The mean, shape (n,): what everybody is served."""
        return self._sum.mean(self.members)

    def total(self) -> Vector:
        """The sum, shape (n,): what TALL-masks compares each member with."""
        return self._sum.total()


class FineTuneMerge(MergedFineTunings[Mean]):
    """Everybody is served the mean; a leaver trains again and is subtracted from the sum."""

    name, title, paper, place = "ft-merge", "FT + Merge", "Ilharco et al. 2023, arXiv 2212.04089", 10
    exact, cost, storage = True, ONE, MODEL
    new_merger, subtracts = Mean, True

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

    name, title, place = "clustered-ft-merge", "clustered FT + Merge", 11
    storage = models(CLUSTERS, "M S")
    clusters = CLUSTERS


class TaskArithmetic(MergedFineTunings[Mean]):
    """Everybody is served the mean times lambda, which validation clients choose."""

    name, title, paper, place = "task-arithmetic", "task arithmetic", "Ilharco et al. 2023, arXiv 2212.04089", 12
    exact, cost, storage = True, ONE, MODEL
    new_merger, subtracts = Mean, True
    candidates = tuple({"scale": scale} for scale in SCALES)

    def shared(self) -> dict[str, Vector]:
        """The mean."""
        return {"mean": self.merger.merged()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The mean times lambda."""
        return [recipient.shared["mean"] * np.float32(terms["scale"])]
