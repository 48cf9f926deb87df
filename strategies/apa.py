"""APA: adapters partitioned by what clients are about, and aggregated for each (Hu et al. 2024, arXiv 2404.10327).

Its authors shard single samples for a recommender; here the unit that is sharded and removed is a client:

1. every client's mean hidden state under M0 is clustered by k-means, with clusters filled up to equal size;
2. each cluster's pooled data train one adapter (with --lora-rank low-rank ones, else task vectors);
3. a client is served the adapters' weighted mean, weights softmax(-tau * error), by each adapter's error on the nearest
   samples at hand: the rows that the client itself tunes on.

A removal can move the clusters, so up to all others train again; shards that stay the same do not.
"""

import numpy as np
from numpy.typing import NDArray

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.seeds import derive_seed
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Recipient, Terms
from fedsift.protocol.method import EVERYBODY_ELSE, models
from fedsift.strategies.families.clusters import CLUSTERS, balanced_clusters
from fedsift.strategies.families.pooled_training import PooledTraining

_TEMPERATURES = (1.0, 10.0, 100.0)  # tau; ours


class Apa(PooledTraining):
    """A client is served the adapters' mean, weighted by how well each fits the client's own rows."""

    number = CLUSTERS
    name, title, paper, place = "apa", "APA", "Hu et al. 2024, arXiv 2404.10327", 23
    exact, cost, storage = True, EVERYBODY_ELSE, models(CLUSTERS, "M S")
    candidates = tuple({"temperature": temperature} for temperature in _TEMPERATURES)

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        super().__init__(layout, chosen)
        self._hidden: dict[str, NDArray[np.float32]] = {}

    def deal(self, clients: Clients) -> list[list[list[str]]]:
        """One slice a pool: a cluster of equal size, by mean hidden states; those who joined are asked for theirs."""
        self._hidden |= clients.embedded(self.members - self._hidden.keys())
        self._hidden = {client_id: each for client_id, each in self._hidden.items() if client_id in self.members}
        members = sorted(self._hidden)
        if not members:
            return []
        number = min(self.number, len(members))
        points = np.stack([self._hidden[client_id] for client_id in members]).astype(np.float64)
        clusters = balanced_clusters(points, number, derive_seed(0, "apa", ""))
        return [[[members[each] for each in np.flatnonzero(clusters == place)]] for place in range(number)]

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The mean of all adapters with weights softmax(-tau * error), error 1 - score on the client's own rows."""
        errors = np.array([1 - recipient.score(name) for name in recipient.shared])
        weights = np.exp(-terms["temperature"] * (errors - errors.min()))
        weights /= weights.sum()
        served = np.zeros_like(next(iter(recipient.shared.values())))
        for weight, adapter in zip(weights, recipient.shared.values(), strict=True):
            served += np.float32(weight) * adapter
        return [served]
