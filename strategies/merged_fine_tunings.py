"""Methods that merge plain fine-tunings: the frame that each of them fills in.

Each round: a query as in SIFT-Masks; those who join fine-tune and upload their task vector, which is merged and
dropped; for those who leave, either they train again and are subtracted, or all others train again and are merged anew,
as the method needs. In the rounds chosen for it, every client is served and scores.
"""

import json
from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsift.errors import Refused
from strategies import messages
from strategies.client_rounds import ClientRounds, RoundRecord, mean_scores
from strategies.messages import EVALUATE_SERVED, FINE_TUNE, Stream, Wish
from strategies.method import Method

Vector = NDArray[np.float32]
_VALIDATION_CLIENTS = 5  # that choose the hyper-parameters


class Merger(Protocol):
    """What a server keeps of the task vectors that it has seen, in memory that does not grow with their number."""

    def add(self, task_vector: Vector) -> None:
        """Merge one more, shape (n,)."""

    def digest(self) -> bytes:
        """SHA-256 of all that it keeps: the same for any order in which the same vectors came."""


@dataclass
class MergeRecord(RoundRecord):
    """What a round did.

    Attributes:
        left: clients removed in this round.
        trainings: clients that trained for the removals of this round.
        steps: optimiser steps of these.
        validation_scorings: models scored to choose hyper-parameters.
    """

    left: list[str] = field(default_factory=list)
    trainings: int = 0
    steps: int = 0
    validation_scorings: int = 0


class MergedFineTunings(ClientRounds[MergeRecord]):
    """A method over plain fine-tunings; a subclass says how to merge and how to serve."""

    method: ClassVar[Method]
    subtracts: ClassVar[bool] = False
    candidates: ClassVar[Sequence[Mapping[str, float]]] = ({},)  # hyper-parameters of `serve` to choose from

    def __init__(self, size: int, evaluated: Container[int]) -> None:
        """Begin without members.

        Args:
            size: n, the number of tuned parameters.
            evaluated: the rounds that end with an evaluation.
        """
        super().__init__()
        self.size = size
        self.members: set[str] = set()
        self.merger: Any = self.new_merger()
        self.chosen: Mapping[str, float] = self.candidates[0]
        self._evaluated = evaluated
        self._leaving: set[str] = set()
        self._joining: set[str] = set()

    @abstractmethod
    def new_merger(self) -> Merger:
        """An empty state of the server."""

    @abstractmethod
    def shared(self) -> dict[str, Vector]:
        """What the server sends to everybody to be served from."""

    @staticmethod
    @abstractmethod
    def serve(own: Vector | None, shared: Mapping[str, Vector], sizes: Sequence[int], **chosen: float) -> Vector:
        """The task vector that a client is served; run by the client, which alone has its own.

        Args:
            own: the member's own task vector, shape (n,); None for who is no member.
            shared: what the server sends.
            sizes: entries of each tuned parameter, in their order.
            **chosen: hyper-parameters, one of the `candidates`.
        """

    def summary(self) -> None:
        """Nothing to say before the first round."""

    def digest(self) -> str:
        """Of the state, as hexadecimal digits."""
        digest: bytes = self.merger.digest()
        return digest.hex()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask every node what it wants; address those who join, and those whose training a removal needs."""
        self.rounds.append(MergeRecord())
        wishes = self.query(server_round, grid)
        self._leaving = {self.clients[node] for node, wish in wishes.items() if wish is Wish.LEAVE} & self.members
        self._joining = {self.clients[node] for node, wish in wishes.items() if wish is Wish.JOIN}
        training = set(self._joining)
        if self._leaving and self.subtracts:
            training |= self._leaving
        elif self._leaving:
            training |= self.members - self._leaving
            self.merger, self.members = self.new_merger(), set()
        return [
            Message(RecordDict(), dst_node_id=node, message_type=FINE_TUNE, group_id=str(server_round))
            for node, client_id in self.clients.items()
            if client_id in training
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Merge or subtract, one reply at a time."""
        record = self.rounds[-1]
        for reply in replies:
            client_id = self.name(reply)
            try:
                steps = messages.field(self.client_record(reply), "steps", int)
                task_vector = messages.reply_task_vector(reply, self.size)
            except Refused as error:
                self.failed(client_id, FINE_TUNE, error)
                continue
            if client_id in self._leaving:
                self.merger.subtract(task_vector)
                self.members.remove(client_id)
            else:
                self.merger.add(task_vector)
                self.members.add(client_id)
            if client_id in self._joining:
                record.joined.append(client_id)
            else:
                record.trainings += 1
                record.steps += steps
        record.left = sorted(self._leaving - self.members)
        record.members, record.state_digest = len(self.members), self.digest()
        return None, MetricRecord({"members": record.members})

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Tell those who left; choose hyper-parameters in the first evaluation; serve all who answered."""
        self.tell_removed(server_round, self.rounds[-1].left, grid)
        if server_round not in self._evaluated or not self.members:
            return []
        shared = ArrayRecord({name: messages.float_array(vector) for name, vector in self.shared().items()})
        if len(self.candidates) > 1 and self.chosen is self.candidates[0]:
            self._choose(server_round, shared, grid)
        return Stream(self._serve(self.clients, [self.chosen], server_round, shared), len(self.clients))

    def _choose(self, server_round: int, shared: ArrayRecord, grid: Grid) -> None:
        """The candidate with the highest mean score on the validation clients, the first members by id."""
        validation = sorted(self.members)[:_VALIDATION_CLIENTS]
        nodes = [node for node, client_id in self.clients.items() if client_id in validation]
        scores: dict[str, dict[str, float]] = {}
        for reply in grid.send_and_receive(self._serve(nodes, self.candidates, server_round, shared)):
            if not reply.has_error():
                scores[self.name(reply)] = messages.reply_scores(reply)
        means = mean_scores(scores)
        best = max(range(len(self.candidates)), key=lambda place: means.get(f"served {place}", 0.0))
        self.chosen = self.candidates[best]
        self.rounds[-1].validation_scorings = len(nodes) * len(self.candidates)

    def _serve(
        self, nodes: Iterable[int], candidates: Sequence[Mapping[str, float]], server_round: int, shared: ArrayRecord
    ) -> Iterator[Message]:
        chosen = json.dumps([dict(each) for each in candidates])
        for node in nodes:
            member = self.clients[node] in self.members
            config = ConfigRecord({"method": self.method.name, "member": member, "candidates": chosen})
            content = RecordDict({"shared": shared, "config": config})
            yield Message(content, dst_node_id=node, message_type=EVALUATE_SERVED, group_id=str(server_round))
