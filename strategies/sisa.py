"""SISA: sharded, isolated, sliced, aggregated training (Bourtoule et al. 2021, arXiv 1912.03817)."""

from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import models, others_of_shard
from fedsift.strategies.families.clusters import CLUSTERS
from fedsift.strategies.families.pooled_training import PooledTraining

SLICES = 4


class Sisa(PooledTraining):
    """Everybody is scored by all shards' models, and the mean is taken.

    For answer probability that is the mean of what the shards predict; for accuracy it is that of a shard drawn at
    random, below what a vote would have.
    """

    number, slices = CLUSTERS, SLICES
    name, title, paper, place = "sisa", "SISA", "Bourtoule et al. 2021, arXiv 1912.03817", 22
    exact, cost, storage = True, others_of_shard(CLUSTERS), models(CLUSTERS * SLICES, "M S R")

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """All shards' models."""
        return list(recipient.shared.values())
