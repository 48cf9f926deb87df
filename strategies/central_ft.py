"""Central FT: one model on the pooled data of all members, and its clustered form with a model for each cluster."""

from fedsift.strategies.clusters import CLUSTERS
from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.method import Method, everybody_else, model, models, others_of_shard
from fedsift.strategies.pooled_training import PooledTraining

_PAPER = "baseline of arXiv 2504.04626"


class CentralFineTuning(PooledTraining):
    """Everybody is served the one model; a removal trains it again."""

    method = Method("central-ft", "Central FT", _PAPER, True, everybody_else, "T", model, "M")

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The one model."""
        return [recipient.shared["0"]]


class ClusteredCentralFineTuning(PooledTraining):
    """A member is served its cluster's model; others are scored by all, and the mean is taken."""

    number = CLUSTERS
    method = Method(
        "clustered-central-ft",
        "clustered Central FT",
        _PAPER,
        True,
        others_of_shard(CLUSTERS),
        "T/S",
        models(CLUSTERS),
        "M S",
    )

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The cluster's model, or all of them."""
        shared = recipient.shared
        return [shared[str(int(terms["pool"]))]] if "pool" in terms else list(shared.values())
