"""Clusters of clients that each train a model of their own, so that a removal concerns one of them.

As KNOT has it (Su and Li 2023, "Asynchronous Federated Unlearning", INFOCOM), retraining is kept within the cluster of
who leaves, and the others go on. KNOT clusters by clients' speed and the likeness of their models; here a client's id
decides, since clusters that depend on who else is there would move when somebody leaves, and no removal be exact.
"""

import hashlib
from collections.abc import Set

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, ComparedMethod, Recipient, Terms, Work
from fedsift.protocol.method import Cost, models, others_of_shard
from fedsift.strategies.families.clusters import CLUSTERS, random_cluster
from fedsift.strategies.fedavg import FedAvg


class Knot(ComparedMethod):
    """FedAvg within each cluster, side by side; a member is served its cluster's model, others are scored by all."""

    name, title = "knot", "clustered FedAvg"
    paper, place = "after KNOT, Su and Li 2023, INFOCOM", 28
    exact, cost = True, Cost(others_of_shard(CLUSTERS).trainings, "R s T/S", 1.0)
    storage, in_rounds = models(CLUSTERS, "M S"), True

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        super().__init__(layout, chosen)
        self._parts = [FedAvg(layout) for _ in range(CLUSTERS)]

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Train the clusters anew whose members change."""
        self.members = (self.members | joining) - leaving
        began = ended = clients.spent.seconds
        work = Work()
        for place, part in enumerate(self._parts):
            join, leave = ({each for each in ids if _cluster(each) == place} for ids in (joining, leaving))
            if join or leave:
                clients.spent.seconds = began
                work.add(part.change(clients, join, leave))
                ended = max(ended, clients.spent.seconds)
        clients.spent.seconds = ended
        return work

    def digest(self) -> str:
        """Of all clusters'."""
        return hashlib.sha256("".join(part.digest() for part in self._parts).encode()).hexdigest()

    def shared(self) -> dict[str, Vector]:
        """The model of each cluster that has members, by its number."""
        return {str(place): part.model for place, part in enumerate(self._parts) if part.members}

    def own_terms(self, client_id: str) -> dict[str, float]:
        """A member's cluster; nothing for others."""
        return {"cluster": _cluster(client_id)} if client_id in self.members else {}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The cluster's model, or all of them."""
        shared = recipient.shared
        return [shared[str(int(terms["cluster"]))]] if "cluster" in terms else list(shared.values())


def _cluster(client_id: str) -> int:
    return random_cluster(client_id, CLUSTERS)
