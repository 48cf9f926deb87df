"""Methods that merge plain fine-tunings.

Those who join fine-tune, and their task vectors are merged and dropped. For those who leave, either they train again
and are subtracted, or all others train again and are merged anew, as the method needs.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Set
from typing import ClassVar, Generic, Protocol, TypeVar

from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, ComparedMethod, Terms, Work
from fedsift.strategies.families.clusters import random_cluster


class Merger(Protocol):
    """What a server keeps of the task vectors that it has seen, in memory that does not grow with their number.

    Its sums and counts are integers and its maxima are exact, so any order of arrival gives the same bits.
    """

    def add(self, task_vector: Vector) -> None:
        """Merge one more, shape (n,)."""

    def digest(self) -> bytes:
        """SHA-256 of all that it keeps: the same for any order in which the same vectors came."""


MergerT = TypeVar("MergerT", bound=Merger)


class MergedFineTunings(ComparedMethod, Generic[MergerT]):
    """A method over plain fine-tunings; a subclass says how to merge and how to serve.

    Attributes:
        mergers: one for each cluster.
    """

    subtracts: ClassVar[bool] = False
    clusters: ClassVar[int] = 1  # random ones, each with a merge of its own

    def __init__(self, size: int, chosen: Terms | None = None) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, chosen)
        self.mergers = self._new_mergers()

    @abstractmethod
    def new_merger(self) -> MergerT:
        """An empty state of the server."""

    def subtract(self, merger: MergerT, task_vector: Vector) -> None:
        """Undo an `add` of this vector, where the method `subtracts`."""
        raise NotImplementedError

    @property
    def merger(self) -> MergerT:
        """The merge of a method without clusters."""
        return self.mergers[0]

    def _new_mergers(self) -> list[MergerT]:
        return [self.new_merger() for _ in range(self.clusters)]

    def digest(self) -> str:
        """Of the mergers' states."""
        return hashlib.sha256(b"".join(merger.digest() for merger in self.mergers)).hexdigest()

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Merge or subtract, one task vector at a time."""
        again = leaving if self.subtracts else self.members - leaving if leaving else frozenset[str]()
        if leaving and not self.subtracts:
            self.mergers, self.members = self._new_mergers(), set()
        work = Work()
        for client_id, (task_vector, steps) in clients.fine_tuned(joining | again):
            merger = self.mergers[random_cluster(client_id, self.clusters)]
            if client_id in leaving:
                self.subtract(merger, task_vector)
                self.members.remove(client_id)
            else:
                merger.add(task_vector)
                self.members.add(client_id)
            if client_id in again:
                work.trainings += 1
                work.steps += steps
        return work
