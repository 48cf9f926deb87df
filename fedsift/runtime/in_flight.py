"""Work in flight: two parcels a worker, answers as they come, and what a worker had that died runs again.

Of workers it knows what `Workers` says: they may be Ray's, on many machines, or processes of this one.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from flwr.app import ArrayRecord, UserConfig

from fedsift.core.errors import FedsiftError
from fedsift.protocol.loaded import Loaded
from fedsift.runtime.worker import Parcel

T = TypeVar("T")
Call = tuple[str, tuple[Any, ...]]  # a name, and the arguments
Item = TypeVar("Item")
# Sends items to a worker, and tells which workers died over the first of them; gives the future and the worker.
Submit = Callable[[Sequence[Item], Collection[Any]], tuple[Any, Any]]

LOOK_SECONDS = 1.0  # How often those who wait look whether a worker has become ready.

_PER_WORKER = 2  # One runs, one waits: a worker is never idle while an answer is being used.
_MAX_ATTEMPTS = 3  # An item whose worker died this often is the likely reason.


class WorkerLost(Exception):
    """A worker died, alone or with its machine, or its reply was computed and lost with the machine."""


class NoWorkers(FedsiftError):
    """No worker lives, and none comes; what is merged stays merged."""

    exit_code = 1


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

    def wait(self, futures: list[Any], timeout: float | None) -> list[Any]:
        """Those that are done, as soon as one is; none where none is within `timeout` seconds."""

    def result(self, future: Any) -> Any:
        """What a worker answered.

        Raises:
            WorkerLost: it died.
            FedsiftError: as the worker raised it.
        """

    def share(self, record: ArrayRecord) -> Any | None:
        """Where a record lies that many messages bring; None where it is sent with each of them."""


class Pool(Workers, Protocol):
    """Workers that can be made ready for a run, and called beside its messages.

    Attributes:
        loaded: what all workers have; nothing before `prepare`.
    """

    loaded: Loaded

    def prepare(self, run_config: UserConfig, shared_file: str = "") -> list[dict[str, str]]:
        """Wait until the workers have loaded model and data; returns their distinct fingerprints."""

    def map(self, function: Callable[..., T], calls: Iterable[Call]) -> Iterator[tuple[str, T]]:
        """Call a function in the workers with each tuple of arguments; yields names and results as they come.

        Args:
            function: of a module that the workers can import; it may keep in the process what the next calls need.
            calls: names with arguments, made one by one while workers get free; references to Ray's objects are
                replaced by these.

        Raises:
            FedsiftError: as the function raised it.
            NoWorkers: none lives, and none comes in good time.
            WorkerDied: a call's worker died three times over.
        """


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
        done = workers.wait(list(pending), None if seconds == float("inf") else max(0.0, seconds))
        if not done and time.monotonic() < deadline:
            continue
        if not done:
            raise TimeoutError(f"{len(pending)} or more clients did not answer within {timeout} seconds")
        sent, actor = pending.pop(done[0])
        workers.finished(actor)
        try:
            answer = workers.result(done[0])
        except WorkerLost as error:
            workers.replace(actor)
            for each in sent:
                died.setdefault(name(each), []).append(actor)
                if len(died[name(each)]) == _MAX_ATTEMPTS:
                    raise WorkerDied(f"{name(each)}: its worker died {_MAX_ATTEMPTS} times: {error}") from error
            retries.extend(sent)
            continue
        yield sent, answer


def mapped(
    workers: Workers, call: Callable[[tuple[Any, ...], Collection[Any]], tuple[Any, Any]], calls: Iterable[Call]
) -> Iterator[tuple[str, Any]]:
    """What `Pool.map` yields, where `call` calls the function in a worker, as `Submit` sends items."""
    source = iter(calls)
    submit: Submit[Call] = lambda sent, died_under: call(sent[0][1], died_under)  # noqa: E731
    for (item,), result in answers(workers, lambda: list(islice(source, 1)), submit, name=lambda each: each[0]):
        yield item[0], result
