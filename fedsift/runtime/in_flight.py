"""Work in flight: two parcels a worker, answers as they come, and what a worker had that died runs again."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import ray
from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError

from fedsift.core.errors import FedsiftError
from fedsift.runtime.worker import Parcel

Item = TypeVar("Item")
# Sends items to a worker, and tells which workers died over the first of them; gives the future and the worker.
Submit = Callable[[Sequence[Item], Collection[Any]], tuple[Any, Any]]

LOOK_SECONDS = 1.0  # How often those who wait look whether a worker has become ready.

# A worker that died, alone or with its machine, or whose reply was computed and lost with the machine.
_LOST = (RayActorError, NodeDiedError, ObjectLostError)
_PER_WORKER = 2  # One runs, one waits: a worker is never idle while an answer is being used.
_MAX_ATTEMPTS = 3  # An item whose worker died this often is the likely reason.


class WorkerDied(FedsiftError):
    """The worker of one item died each time it was tried; what is merged stays merged."""

    exit_code = 1


class Workers(Protocol):
    """Workers as seen by whoever keeps them busy."""

    def submit(self, parcel: Parcel, died_under: Collection[Any] = ()) -> tuple[Any, Any]:
        """Send messages, over which those workers died, to a worker; returns the future of the replies, and it."""

    def __len__(self) -> int:
        """How many live."""

    def refresh(self) -> bool:
        """Let workers that have become ready take part; returns whether others are starting."""

    def finished(self, actor: Any) -> None:
        """What was submitted to a worker is done."""

    def replace(self, actor: Any) -> None:
        """Start another worker in place of a dead one."""


def slots(workers: Workers) -> int:
    """Parcels in flight; some also while no worker lives: to submit one is to wait for a worker."""
    return _PER_WORKER * max(1, len(workers))


def answers(
    workers: Workers,
    take: Callable[[], list[Item]],
    submit: Submit[Item],
    name: Callable[[Item], str],
    timeout: float | None = None,
) -> Iterator[tuple[list[Item], Any]]:
    """Yield the items of each parcel with the worker's answer, as answers come.

    Args:
        workers: who does the work.
        take: the items of the next parcel, asked for only as workers get free; none at the end.
        submit: sends items to a worker.
        name: of an item, for whoever reads the error.
        timeout: seconds for all of it; any number for None.

    Raises:
        TimeoutError: not all answers came in time (never a silent partial answer).
        WorkerDied: an item's worker died three times over.
    """
    deadline = time.monotonic() + timeout if timeout is not None else float("inf")
    retries: deque[Item] = deque()
    died: dict[str, list[Any]] = {}  # the workers that died over an item
    pending: dict[Any, tuple[list[Item], Any]] = {}
    while True:
        starting = workers.refresh()
        while len(pending) < slots(workers) and (sent := [retries.popleft()] if retries else take()):
            future, actor = submit(sent, died.get(name(sent[0]), ()))
            pending[future] = sent, actor
        if not pending:
            return
        seconds = min(deadline - time.monotonic(), LOOK_SECONDS if starting else float("inf"))
        done, _ = ray.wait(list(pending), timeout=None if seconds == float("inf") else max(0.0, seconds))
        if not done and time.monotonic() < deadline:
            continue
        if not done:
            raise TimeoutError(f"{len(pending)} or more clients did not answer within {timeout} seconds")
        sent, actor = pending.pop(done[0])
        workers.finished(actor)
        try:
            answer = ray.get(done[0])
        except _LOST as error:
            workers.replace(actor)
            for each in sent:
                died.setdefault(name(each), []).append(actor)
                if len(died[name(each)]) == _MAX_ATTEMPTS:
                    raise WorkerDied(f"{name(each)}: its worker died {_MAX_ATTEMPTS} times: {error}") from error
            retries.extend(sent)
            continue
        yield sent, answer
