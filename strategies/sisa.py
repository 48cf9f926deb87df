"""SISA: sharded, isolated, sliced, aggregated training (Bourtoule et al. 2021, arXiv 1912.03817)."""

from collections.abc import Mapping, Sequence

from strategies.compared_method import Vector
from strategies.method import Method, models, others_of_shard
from strategies.pooled_training import PooledTraining

SHARDS, SLICES = 5, 4


class Sisa(PooledTraining):
    """Everybody is scored by all shards' models, and the mean is taken.

    For answer probability that is the mean of what the shards predict; for accuracy it is that of a shard drawn at
    random, below what a vote would have.
    """

    pools, slices = SHARDS, SLICES
    method = Method(
        "sisa",
        "SISA",
        "Bourtoule et al. 2021, arXiv 1912.03817",
        True,
        others_of_shard(SHARDS),
        "T/S",
        models(SHARDS * SLICES),
        "M S R",
    )

    @staticmethod
    def serve(own: Vector | None, shared: Mapping[str, Vector], sizes: Sequence[int], **terms: float) -> list[Vector]:
        """All shards' models."""
        return list(shared.values())
