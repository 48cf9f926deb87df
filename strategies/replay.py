"""Replay to the last common point: a removal goes back to the last state that the leaver has not touched.

From there training goes on without the leaver (as arXiv 2508.12220 has it for one model). It ends, to the bit, in the
run that the leaver never joined, and costs what came after that point. Until there both runs are one, which has to be
known of beforehand: by ids for slices, by the schedule for rounds.
"""

import hashlib
from itertools import takewhile

from fedsift.core.task_vectors import Vector, hash_vector
from fedsift.protocol.compared_method import Clients, Recipient, Work
from fedsift.protocol.method import EVERY_ROUND, EVERYBODY_ELSE, Cost, models
from fedsift.strategies.families.pooled_training import PooledTraining
from fedsift.strategies.fedavg import FedAvg

KEPT = 10  # checkpoints, the last model among them
_PAPER = "after arXiv 2508.12220"


class ReplayedCentralFineTuning(PooledTraining):
    """One model, trained slice by slice; a removal goes back to before the leaver's slice."""

    slices = KEPT
    name, title, paper, place = "central-replay", "Central FT, replayed", _PAPER, 21
    exact, cost, storage = True, Cost(EVERYBODY_ELSE.trainings, "T at most"), models(KEPT, f"{KEPT} M")

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The one model."""
        return [recipient.shared["0"]]


class ReplayedFedAvg(FedAvg):
    """FedAvg that goes back to the last model kept before the first round in which other clients count.

    That is at most the first round of the leaver. It can be earlier: where a share of fewer members is one client
    fewer, somebody else is not asked any more.
    """

    name, title, paper, place = "fedavg-replay", "FedAvg, replayed", _PAPER, 24
    cost, storage = Cost(EVERY_ROUND.trainings, "R s T at most", EVERY_ROUND.share_of_rounds), models(KEPT, f"{KEPT} M")

    def begin(self) -> None:
        """Begin from M0, with nothing kept."""
        super().begin()
        self._counted: list[list[str]] = []  # clients of each round
        self._kept: dict[int, Vector] = {0: self.model}  # after so many rounds

    def train(self, clients: Clients) -> Work:
        """The rounds after the last model that is kept of those in which the same clients count."""
        counted, kept = self._counted, self._kept
        self.begin()
        rounds, moment = [], 0.0
        for number in range(1, clients.schedule.rounds + 1):
            rounds.append(self.scheduled(clients, number, moment, self.members))
            moment += rounds[-1].spent.seconds
        self._counted = [played.counted for played in rounds]
        same = [*takewhile(lambda pair: pair[0] == pair[1], zip(self._counted, counted, strict=False))]
        self._kept = {number: model for number, model in kept.items() if number <= len(same)}
        first = max(self._kept)
        self.model = self._kept[first]
        apart = -(-len(rounds) // KEPT)
        work = Work()
        for number, played in enumerate(rounds[first:], start=first + 1):
            work.add(self.play_out(clients, number, played))
            if number % apart == 0 or number == len(rounds):
                self._kept[number] = self.model
        return work

    def digest(self) -> str:
        """Of all models that are kept as well."""
        state = hashlib.sha256(super().digest().encode())
        for _, model in sorted(self._kept.items()):
            hash_vector(state, model)
        return state.hexdigest()
