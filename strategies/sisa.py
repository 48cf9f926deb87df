"""SISA: sharded, isolated, sliced, aggregated training (Bourtoule et al. 2021, arXiv 1912.03817).

Its authors aggregate by a majority vote of the shards' models, or by the mean of their outputs; here are both, over the
very same trainings. For language modelling both are the mean of the probabilities of the next token
(`fedsift.learning.ensemble`).
"""

from fedsift.core.ensemble import Ensemble
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import models, others_of_shard
from fedsift.strategies.families.clusters import CLUSTERS
from fedsift.strategies.families.pooled_training import PooledTraining

SLICES = 4


class Sisa(PooledTraining):
    """Everybody is served by all shards' models: the mean of their probabilities decides."""

    number, slices, ensemble = CLUSTERS, SLICES, Ensemble.MEAN
    name, title, paper, place = "sisa", "SISA (mean)", "Bourtoule et al. 2021, arXiv 1912.03817", 22
    exact, cost, storage = True, others_of_shard(CLUSTERS), models(CLUSTERS * SLICES, "M S L")

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """All shards' models."""
        return list(recipient.shared.values())


class SisaVote(Sisa):
    """The label that most of the shards' models answer."""

    name, title, ensemble = "sisa-vote", "SISA (vote)", Ensemble.VOTE
