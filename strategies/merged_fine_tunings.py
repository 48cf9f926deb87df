"""Methods that merge plain fine-tunings: the frame that each of them fills in.

Each round: a query as in SIFT-Masks; those who join fine-tune and upload their task vector, which is merged and
dropped; for those who leave, either they train again and are subtracted, or all others train again and are merged anew,
as the method needs.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Container, Iterable, Mapping
from typing import Any, ClassVar, Protocol

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedsift.core.errors import Refused
from fedsift.protocol import messages
from fedsift.protocol.messages import FINE_TUNE, Wish
from fedsift.strategies.clusters import random_cluster
from fedsift.strategies.compared_method import ComparedMethod, ComparedRecord, Vector


class Merger(Protocol):
    """What a server keeps of the task vectors that it has seen, in memory that does not grow with their number."""

    def add(self, task_vector: Vector) -> None:
        """Merge one more, shape (n,)."""

    def digest(self) -> bytes:
        """SHA-256 of all that it keeps: the same for any order in which the same vectors came."""


class MergedFineTunings(ComparedMethod):
    """A method over plain fine-tunings; a subclass says how to merge and how to serve."""

    subtracts: ClassVar[bool] = False
    clusters: ClassVar[int] = 1  # random ones, each with a merge of its own

    def __init__(self, size: int, evaluated: Container[int], chosen: Mapping[str, float] | None = None) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, evaluated, chosen)
        self.mergers: list[Any] = self._new_mergers()
        self._leaving: set[str] = set()
        self._joining: set[str] = set()

    @abstractmethod
    def new_merger(self) -> Merger:
        """An empty state of the server."""

    @property
    def merger(self) -> Any:
        """The merge of a method without clusters."""
        return self.mergers[0]

    def _new_mergers(self) -> list[Merger]:
        return [self.new_merger() for _ in range(self.clusters)]

    def digest(self) -> str:
        """Of the mergers' states."""
        return hashlib.sha256(b"".join(merger.digest() for merger in self.mergers)).hexdigest()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask every node what it wants; address those who join, and those whose training a removal needs."""
        self.rounds.append(ComparedRecord())
        wishes = self.query(server_round, grid)
        self._leaving = {self.clients[node] for node, wish in wishes.items() if wish is Wish.LEAVE} & self.members
        self._joining = {self.clients[node] for node, wish in wishes.items() if wish is Wish.JOIN}
        training = set(self._joining)
        if self._leaving and self.subtracts:
            training |= self._leaving
        elif self._leaving:
            training |= self.members - self._leaving
            self.mergers, self.members = self._new_mergers(), set()
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
                (task_vector,) = messages.reply_task_vectors(reply, self.size)
            except Refused as error:
                self.failed(client_id, FINE_TUNE, error)
                continue
            merger = self.mergers[random_cluster(client_id, self.clusters)]
            if client_id in self._leaving:
                merger.subtract(task_vector)
                self.members.remove(client_id)
            else:
                merger.add(task_vector)
                self.members.add(client_id)
            if client_id in self._joining:
                record.joined.append(client_id)
            else:
                record.trainings += 1
                record.steps += steps
        record.left = sorted(self._leaving - self.members)
        record.members, record.state_digest = len(self.members), self.digest()
        return None, MetricRecord({"members": record.members})
