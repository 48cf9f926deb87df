"""Central FT: one model on the pooled data of all members, and its clustered form with a model for each cluster."""

from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import EVERYBODY_ELSE, MODEL, models, others_of_shard
from fedsift.strategies.families.clusters import CLUSTERS
from fedsift.strategies.families.pooled_training import PooledTraining

_PAPER = "baseline of arXiv 2504.04626"


class CentralFineTuning(PooledTraining):
    """Everybody is served the one model; a removal trains it again."""

    name, title, paper, place = "central-ft", "Central FT", _PAPER, 20
    exact, cost, storage = True, EVERYBODY_ELSE, MODEL

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The one model."""
        return [recipient.shared["0"]]


class ClusteredCentralFineTuning(PooledTraining):
    """A member is served its cluster's model; others are scored by all, and the mean is taken."""

    number = CLUSTERS
    name, title, paper, place = "clustered-central-ft", "clustered Central FT", _PAPER, 21
    exact, cost, storage = True, others_of_shard(CLUSTERS), models(CLUSTERS, "M S")

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The cluster's model, or all of them."""
        shared = recipient.shared
        return [shared[str(int(terms["pool"]))]] if "pool" in terms else list(shared.values())
