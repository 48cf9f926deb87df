"""Pruning what those who leave have moved, after FedUP (Romandini et al. 2025, arXiv 2508.13853).

FedUP ranks the weights by (mean of those who leave - mean of the others)^2, from the last models that they sent, times
the magnitude of the global weight, prunes the highest, and lets the others train on. It was made for models trained
from scratch, against clients that poison them. Here M0 is trained already, so a weight that is pruned is that of M0
again and not 0, and magnitudes are of what the federation has changed.
"""

from collections.abc import Collection, Set

import numpy as np

from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.local_training import LocallyTrained
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Work
from fedsift.protocol.method import EVERYBODY_ELSE, Cost, Storage
from fedsift.strategies.families.forgetting_rounds import ForgettingRounds
from fedsift.strategies.fedavg import FedAvg

PRUNED = 0.1  # share of each parameter's entries; ours
RECOVERY = 0.2  # share of the rounds in which those who stay train on; ours


class FedUp(ForgettingRounds, FedAvg):
    """Keeps each client's last model, since anybody may leave."""

    name, title, paper, place = "fedup", "FedUP (pruning)", "Romandini et al. 2025, arXiv 2508.13853", 43
    cost = Cost(EVERYBODY_ELSE.trainings, "R s T/5", RECOVERY)
    storage = Storage(lambda parameters, members: 4 * parameters * (1 + members), "M (1 + T)")

    def begin(self) -> None:
        """Begin from M0, with no client's model."""
        super().begin()
        self._last: dict[str, Vector] = {}

    def fold(self, client_id: str, trained: LocallyTrained) -> None:
        """Take in a client's model, and keep it."""
        super().fold(client_id, trained)
        self._last[client_id] = trained.task_vector

    def forget(self, clients: Clients, leaving: Set[str]) -> Work:
        """Prune, where those who leave have ever counted, and train on."""
        left = self._mean(leaving)
        for client_id in leaving & self._last.keys():
            del self._last[client_id]
        stayed = self._mean(self.members)
        if left is not None and stayed is not None:
            self.model = pruned(self.model, (left - stayed) ** 2 * np.abs(self.model), self.layout.sizes)
        rounds = clients.schedule.rounds
        work, began = Work(), clients.spent.seconds
        for number in range(rounds + 1, rounds + 1 + max(1, round(RECOVERY * rounds))):
            work.add(self.play(clients, number, began, self.members))
        return work

    def _mean(self, clients: Collection[str]) -> Vector | None:
        """Of the last models of those that have any."""
        models = [self._last[each] for each in clients if each in self._last]
        if not models:
            return None
        total = FixedPointSum(self.layout.size)
        for model in models:
            total.add(model)
        return total.mean(len(models))


def pruned(model: Vector, rank: Vector, sizes: Collection[int]) -> Vector:
    """A model without those entries of each parameter that have the highest rank; all of shape (n,)."""
    model, start = model.copy(), 0
    for size in sizes:
        number = round(PRUNED * size)
        if number:
            highest = np.argsort(-rank[start : start + size], kind="stable")[:number]
            model[start + highest] = 0.0
        start += size
    return model
