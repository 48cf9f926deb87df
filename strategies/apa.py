"""APA: adapters partitioned by what clients are about, and aggregated for each (Hu et al. 2024, arXiv 2404.10327).

Its authors shard single samples for a recommender; here the unit that is sharded and removed is a client:

1. every client's mean hidden state under M0 is clustered by k-means, with clusters filled up to equal size;
2. each cluster's pooled data train one adapter (with --lora-rank low-rank ones, else task vectors);
3. a client is served the adapters' weighted mean, weights softmax(-tau * error), by each adapter's error on the nearest
   samples at hand: the rows that the client itself tunes on.

A removal can move the clusters, so up to all others train again; shards that stay the same do not.
"""

from collections.abc import Container, Iterator, Mapping

import numpy as np
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsift.core.errors import Refused
from fedsift.core.seeds import derive_seed
from fedsift.protocol import messages
from fedsift.protocol.messages import EMBED
from fedsift.strategies.clustering import balanced_clusters
from fedsift.strategies.clusters import CLUSTERS
from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.method import Method, everybody_else, models
from fedsift.strategies.pooled_training import PooledTraining

_TEMPERATURES = (1.0, 10.0, 100.0)  # tau; ours


class Apa(PooledTraining):
    """A client is served the adapters' mean, weighted by how well each fits the client's own rows."""

    number = CLUSTERS
    method = Method(
        "apa",
        "APA",
        "Hu et al. 2024, arXiv 2404.10327",
        True,
        everybody_else,
        "T",
        models(CLUSTERS),
        "M S",
    )
    candidates = tuple({"temperature": temperature} for temperature in _TEMPERATURES)

    def __init__(self, size: int, evaluated: Container[int], chosen: Mapping[str, float] | None = None) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, evaluated, chosen)
        self._hidden: dict[str, NDArray[np.float32]] = {}

    def train(self, server_round: int, grid: Grid) -> Iterator[Message]:
        """Ask those who joined for their mean hidden states; then as always."""
        asked = [
            Message(RecordDict(), dst_node_id=node, message_type=EMBED, group_id=str(server_round))
            for node in self.nodes_of(self.members - self._hidden.keys())
        ]
        for reply in grid.send_and_receive(asked) if asked else ():
            try:
                self.client_record(reply)
                (self._hidden[self.name(reply)],) = messages.reply_task_vectors(reply)
            except Refused as error:
                self.failed(self.name(reply), EMBED, error)
        self._hidden = {client_id: each for client_id, each in self._hidden.items() if client_id in self.members}
        return super().train(server_round, grid)

    def deal(self) -> list[list[list[str]]]:
        """One slice a pool: a cluster of equal size."""
        clients = sorted(self._hidden)
        if not clients:
            return []
        number = min(self.number, len(clients))
        points = np.stack([self._hidden[client_id] for client_id in clients]).astype(np.float64)
        clusters = balanced_clusters(points, number, derive_seed(0, "apa", ""))
        return [[[clients[each] for each in np.flatnonzero(clusters == place)]] for place in range(number)]

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
