"""Methods that merge plain fine-tunings.

Those who join fine-tune, and their task vectors are merged and dropped. For those who leave, either they train again
and are subtracted, or all others train again and are merged anew, as the method needs.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Set
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector, hash_vector
from fedsift.protocol.compared_method import Clients, ComparedMethod, Terms, Work
from fedsift.strategies.families.clusters import random_cluster


class Merger(ABC):
    """What a server keeps of the task vectors that it has seen, in memory that does not grow with their number.

    Its sums and counts are integers and its maxima are exact, so any order of arrival gives the same bits.

    Attributes:
        members: number of task vectors merged.
    """

    def __init__(self, *kept: NDArray[Any]) -> None:
        """No members; `kept` are all arrays of the state, shape (n,), which a subclass changes in place."""
        self.members, self._kept = 0, kept

    @abstractmethod
    def add(self, task_vector: Vector) -> None:
        """Merge one more, shape (n,).

        Raises:
            Refused: it is of another shape, not finite or out of range; nothing is changed.
        """

    def subtract(self, task_vector: Vector) -> None:
        """Undo an `add` of this vector; only where the merge can is a method one that `subtracts`."""
        raise NotImplementedError(f"{type(self).__name__} cannot subtract: its method trains all others again")

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over the number of members and all that is kept."""
        state = hashlib.sha256(self.members.to_bytes(8, "little"))
        for each in self._kept:
            hash_vector(state, each)
        return state.digest()


MergerT = TypeVar("MergerT", bound=Merger)


class MergedFineTunings(ComparedMethod, Generic[MergerT]):
    """A method over plain fine-tunings; a subclass says how to merge and how to serve.

    Attributes:
        mergers: one for each cluster.
    """

    new_merger: Callable[[int], MergerT]  # of n: an empty state of the server
    subtracts: ClassVar[bool] = False
    clusters: ClassVar[int] = 1  # random ones, each with a merge of its own

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        super().__init__(layout, chosen)
        self.mergers = self._new_mergers()

    @property
    def merger(self) -> MergerT:
        """The merge of a method without clusters."""
        return self.mergers[0]

    def _new_mergers(self) -> list[MergerT]:
        return [self.new_merger(self.layout.size) for _ in range(self.clusters)]

    def digest(self) -> str:
        """Of the mergers' states."""
        return hashlib.sha256(b"".join(merger.digest() for merger in self.mergers)).hexdigest()

    def answers(self, clients: Clients, ids: Set[str]) -> Iterator[tuple[str, Any, int]]:
        """Of each client what a merger takes, and the optimiser's steps for it; task vectors, unless overridden."""
        return ((client_id, *trained) for client_id, trained in clients.fine_tuned(ids))

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Merge or subtract, one answer at a time."""
        again = leaving if self.subtracts else self.members - leaving if leaving else frozenset[str]()
        if leaving and not self.subtracts:
            self.mergers, self.members = self._new_mergers(), set()
        work = Work()
        for client_id, answer, steps in self.answers(clients, joining | again):
            merger = self.mergers[random_cluster(client_id, self.clusters)]
            if client_id in leaving:
                merger.subtract(answer)
                self.members.remove(client_id)
            else:
                merger.add(answer)
                self.members.add(client_id)
            if client_id in again:
                work.trainings += 1
                work.steps += steps
        return work
