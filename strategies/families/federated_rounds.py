"""Methods that train in rounds: some members train on from the server's model, and it becomes the mean of theirs.

A removal trains from scratch without those who leave: it is the very run that they never joined, and costs all of it.
Sums are of integers, and who is asked derives from the root seed and the round, so any order of arrival, and any number
of workers, gives the same bits.
"""

import hashlib
import json
from collections.abc import Collection, Set
from dataclasses import replace
from typing import ClassVar

import numpy as np

from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.round_schedule import Played
from fedsift.core.task_vectors import Vector, hash_vector
from fedsift.protocol.compared_method import Clients, ComparedMethod, Recipient, Terms, Work

_BYTES = 4  # of a parameter


class FederatedRounds(ComparedMethod):
    """FedAvg's frame; a subclass says what clients minimise, how they are weighed, and how the server steps.

    Attributes:
        model: of the server, relative to M0; shape (n,).
        number: of the round that is played, from 1 on.
    """

    in_rounds = True
    vectors: ClassVar[int] = 1  # of n floats that go each way with each training

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        super().__init__(layout, chosen)
        self.begin()

    def begin(self) -> None:
        """Begin from M0."""
        self.model: Vector = np.zeros(self.layout.size, np.float32)
        self.number = 0
        self._clear()

    def _clear(self) -> None:
        self._sum, self._weight = FixedPointSum(self.layout.size), 0

    def asked(self, client_id: str, steps: int) -> LocalTraining:
        """What a client is asked to do in a round, in so many steps."""
        return LocalTraining(steps)

    def weight(self, trained: LocallyTrained) -> int:
        """How much a client's model counts in the mean: the rows that it trained on."""
        return trained.rows

    def fold(self, client_id: str, trained: LocallyTrained) -> None:
        """Take in what a client has trained in this round."""
        weight = self.weight(trained)
        self._sum.add(trained.task_vector, weight=weight)
        self._weight += weight

    def moved(self, mean: Vector) -> Vector:
        """The server's next model, from the mean of the clients' models; both of shape (n,)."""
        return mean

    def settle_round(self) -> None:
        """Step to the next model, where anybody answered."""
        if self._weight:
            self.model = self.moved(self._sum.mean(self._weight))
        self._clear()

    def scheduled(
        self,
        clients: Clients,
        number: int,
        moment: float,
        members: Collection[str],
        share: float = 1.0,
        everybody: bool = False,
    ) -> Played:
        """Who answers in time in a round that begins at a moment, and how long it takes; arguments as of `play`."""
        schedule = replace(clients.schedule, sample=1.0) if everybody else clients.schedule
        nbytes = _BYTES * self.layout.size * self.vectors
        return schedule.play(number, members, moment, nbytes, nbytes, share)

    def play(
        self,
        clients: Clients,
        number: int,
        began: float,
        members: Collection[str],
        share: float = 1.0,
        everybody: bool = False,
    ) -> Work:
        """A round.

        Args:
            clients: train.
            number: of the round.
            began: when the first round did, in seconds on the clock.
            members: who can be asked.
            share: of a client's steps that this round takes.
            everybody: whether all of them are asked, and not a sample.
        """
        moment = clients.spent.seconds - began
        return self.play_out(clients, number, self.scheduled(clients, number, moment, members, share, everybody), share)

    def play_out(self, clients: Clients, number: int, played: Played, share: float = 1.0) -> Work:
        """Have those train whose answers count in a round, and step to the next model."""
        self.number = number
        clients.spent.add(played.spent)
        steps = clients.schedule.local_steps
        trainings = {each: self.asked(each, steps(each, share)) for each in played.counted}
        work = Work()
        for client_id, trained in clients.local(number, self.model, trainings):
            self.fold(client_id, trained)
            work.add(Work(1, trained.steps))
        self.settle_round()
        return work

    def train(self, clients: Clients) -> Work:
        """All rounds, from M0."""
        self.begin()
        work, began = Work(), clients.spent.seconds
        for number in range(1, clients.schedule.rounds + 1):
            work.add(self.play(clients, number, began, self.members))
        return work

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Train from scratch on those who are members then."""
        self.members = (self.members | joining) - leaving
        work = self.train(clients)
        return work if leaving else Work()

    def digest(self) -> str:
        """Of the members and of all that is served from."""
        state = hashlib.sha256(json.dumps(sorted(self.members)).encode())
        for _, vector in sorted(self.shared().items()):
            hash_vector(state, vector)
        return state.hexdigest()

    def shared(self) -> dict[str, Vector]:
        """The model."""
        return {"model": self.model}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The model."""
        return [recipient.shared["model"]]
