"""Ray actors with their load: who gets the next message, and what becomes of those that die.

A worker gets messages once it has answered `prepare`. One that died is replaced; until the other is ready, which on a
cluster that lost a machine may be never, the rest do its work.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
from flwr.app import ArrayRecord, UserConfig
from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError, RayError, RayTaskError

from fedsift.core.errors import BadInput, FedsiftError
from fedsift.learning.reproducibility import DEFAULT_PROFILE, worker_environment
from fedsift.protocol.loaded import Loaded
from fedsift.runtime.in_flight import LOOK_SECONDS, Call, NoWorkers, Pool, WorkerLost, mapped
from fedsift.runtime.ray_worker import RayWorker
from fedsift.runtime.worker import Parcel, Prepared

T = TypeVar("T")

_START_SECONDS = 300.0  # So long may a worker wait for a CPU and import its libraries; loading a model comes after.
_GRACE_SECONDS = 60.0  # ... and so long those that find no CPU are waited for while others are ready.
_MAX_STARTS = 3
_LOST = (RayActorError, NodeDiedError, ObjectLostError)


@dataclass
class _Live:
    """A worker that gets messages: how many it has, its machine, and its environment's fingerprint as JSON."""

    load: int = 0
    node: str = ""
    environment: str = ""


@dataclass
class _Starting:
    """A worker that is being prepared."""

    actor: Any
    started: Any  # its future of having started
    deaths: int  # how many died before in this place
    awaited: bool  # whether `prepare` waits for it; then its mistake is the user's, and raised


class WorkerPool(Pool):
    """Ray actors that run one ClientApp, or functions beside it; shared by all grids of a command.

    Attributes:
        loaded: what all workers have; nothing before `prepare`.
    """

    def __init__(
        self,
        client_app: str,
        workers: int,
        profile: str = DEFAULT_PROFILE,
        gpus_per_worker: float = 0.0,
        inherits: bool = False,
        cluster_folder: str | None = None,
    ) -> None:
        """Start `workers` actors that import `client_app` ("module:name"). Ray must be initialised.

        They run under a reproducibility profile, which they inherit where Ray was started under it: that saves Ray a
        process. On a cluster they are spread over the machines; `cluster_folder` is as for `Worker`.
        """
        self._client_app, self._gpus_per_worker, self._cluster_folder = client_app, gpus_per_worker, cluster_folder
        self._environment = None if inherits else worker_environment(profile, gpus_per_worker)
        self.loaded = Loaded()
        self._live: dict[Any, _Live] = {self._start(): _Live() for _ in range(workers)}
        self._starting: dict[Any, _Starting] = {}  # by the future of the answer
        self._nodes: dict[Any, str] = {}  # also of the dead
        self._asked: tuple[UserConfig, str] | None = None
        self._first: Prepared | None = None
        self._failure: Exception | None = None

    def __len__(self) -> int:
        return len(self._live)

    def prepare(self, run_config: UserConfig, shared_file: str = "") -> list[dict[str, str]]:
        """Wait until each worker has started and loaded model and data; returns their distinct fingerprints.

        Those that find no place in good time, and replacements of the dead, are not waited for while others live.

        Args:
            run_config: of the clients to come.
            shared_file: which all machines must see; empty for none.

        Raises:
            FedsiftError: as a worker raised it.
            BadInput: workers have loaded different things.
            NoWorkers: none started.
        """
        self._asked, self._first = (run_config, shared_file), None
        awaited, others = list(self._live), [each.actor for each in self._starting.values()]
        self._live, self._starting = {}, {}
        for actor in [*awaited, *others]:
            self._ask(actor, awaited=actor in awaited)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while any(each.awaited for each in self._starting.values()):
                ray.wait(list(self._starting), timeout=LOOK_SECONDS)
                self.refresh()
                if self._live:
                    deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
                if time.monotonic() > deadline and not self._any_started():
                    break
            if not self._live:
                raise self._no_workers()
        except Exception:  # All are as they were: the next to use the pool asks for something else.
            actors = [*self._live, *(each.actor for each in self._starting.values())]
            self._live, self._starting, self._asked = {actor: _Live() for actor in actors}, {}, None
            raise
        for each in self._starting.values():
            each.awaited = False
        return [json.loads(text) for text in sorted({each.environment for each in self._live.values()})]

    def refresh(self) -> bool:
        """Let workers that have become ready take part; returns whether others are starting."""
        if not self._starting:
            return False
        for future in ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)[0]:
            self._take_in(self._starting.pop(future), future)
        return bool(self._starting)

    def submit(self, parcel: Parcel, died_under: Collection[Any] = ()) -> tuple[Any, Any]:
        """Send messages to a worker; returns the future of their replies, and the worker.

        Raises:
            NoWorkers: none lives, and none comes in good time.
        """
        actor = self._chosen(parcel.environment, died_under)
        return actor.handle.remote(parcel), actor

    def map(self, function: Callable[..., T], calls: Iterable[Call]) -> Iterator[tuple[str, T]]:
        """As `Pool` says."""

        def call(arguments: tuple[Any, ...], died_under: Collection[Any]) -> tuple[Any, Any]:
            actor = self._chosen("", died_under)
            return actor.call.remote(function, *arguments), actor

        return mapped(self, call, calls)

    def wait(self, futures: list[Any], timeout: float | None) -> list[Any]:
        """As `Workers` says."""
        return list(ray.wait(futures, timeout=timeout)[0])

    def result(self, future: Any) -> Any:
        """As `Workers` says."""
        try:
            return ray.get(future)
        except _LOST as error:
            raise WorkerLost(str(error)) from error
        except RayTaskError as error:
            if isinstance(error.cause, FedsiftError):
                raise error.cause from None  # A mistake of the user's, without the worker's traceback.
            raise

    def share(self, record: ArrayRecord) -> Any:
        """Where a record lies in Ray's object store."""
        return ray.put(record)

    def _chosen(self, environment: str, died_under: Collection[Any]) -> Any:
        """The worker that gets the next parcel; its load is counted.

        It is the least loaded one of those with the environment, if one is asked for and there are any, and not on a
        machine on which workers died that had the same before, if there is another.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._live:
            if not self._starting or (time.monotonic() > deadline and not self._any_started()):
                raise self._no_workers()
            ray.wait(list(self._starting), timeout=LOOK_SECONDS)
            self.refresh()
        avoided = {self._nodes.get(actor, "") for actor in died_under}
        same = [actor for actor, live in self._live.items() if live.environment == environment]
        chosen = same if environment and same else list(self._live)
        chosen = [actor for actor in chosen if self._live[actor].node not in avoided] or chosen
        actor = min(chosen, key=lambda each: self._live[each].load)
        self._live[actor].load += 1
        return actor

    def finished(self, actor: Any) -> None:
        """What was submitted to `actor` is done."""
        if actor in self._live:
            self._live[actor].load -= 1

    def replace(self, actor: Any) -> None:
        """Start another actor in place of a dead one; once, however many of its messages fail."""
        if self._live.pop(actor, None) is not None:
            ray.kill(actor)  # It may only be out of reach, and would keep its CPU.
            self._ask(self._start())

    def _start(self) -> Any:
        options = RayWorker.options(  # type: ignore[attr-defined]
            num_gpus=self._gpus_per_worker,
            runtime_env=None if self._environment is None else {"env_vars": self._environment},
            scheduling_strategy="DEFAULT" if self._cluster_folder is None else "SPREAD",
        )
        return options.remote(self._client_app, self._cluster_folder)

    def _ask(self, actor: Any, deaths: int = 0, awaited: bool = False) -> None:
        """Have a worker prepare itself; where nobody has said for what, have it start."""
        started = actor.__ray_ready__.remote()
        answer = actor.prepare.remote(*self._asked) if self._asked else started
        self._starting[answer] = _Starting(actor, started, deaths, awaited)

    def _any_started(self) -> bool:
        """Whether one of those that start has found its place: then it is loading the model."""
        return bool(ray.wait([each.started for each in self._starting.values()], timeout=0)[0])

    def _take_in(self, starting: _Starting, future: Any) -> None:
        """Let a worker that has answered take part, or start another in its place."""
        try:
            prepared = ray.get(future)
            if isinstance(prepared, Prepared):
                self._check(prepared)
                self._nodes[starting.actor] = prepared.node
                environment = json.dumps(prepared.fingerprint, sort_keys=True)
                self._live[starting.actor] = _Live(0, prepared.node, environment)
            else:
                self._live[starting.actor] = _Live()
            return
        except RayTaskError as error:
            self._failure = error.cause if isinstance(error.cause, FedsiftError) else error
        except (RayError, BadInput) as error:
            self._failure = error
        if starting.awaited and isinstance(self._failure, FedsiftError | RayTaskError):
            self._live[starting.actor] = _Live()  # It has answered, and can be asked for something else.
            raise self._failure
        if starting.deaths + 1 < _MAX_STARTS:
            self._ask(self._start(), starting.deaths + 1, starting.awaited)

    def _check(self, prepared: Prepared) -> None:
        """See that a worker has what the first one has."""
        self._first = first = self._first or prepared
        self.loaded = first.loaded
        for what, own, other in (
            ("the model's weights", first.loaded.model_digest.hex(), prepared.loaded.model_digest.hex()),
            ("the data's files", first.loaded.data_digest, prepared.loaded.data_digest),
            ("the version of fedsift", first.software, prepared.software),
        ):
            if own != other:
                raise BadInput(
                    f"the nodes differ in {what}: {own[:16]} on {first.node}, {other[:16]} on {prepared.node}; "
                    "put the same on all of them"
                )

    def _no_workers(self) -> NoWorkers:
        if not self._starting:
            reason = str(self._failure).strip().splitlines()[-1]
            return NoWorkers(f"no worker is left, and those in their place did not start: {reason}")
        return NoWorkers(
            f"no worker has started within {_START_SECONDS:.0f} seconds: no machine has a CPU to spare, as `ray "
            "status` tells; start another node and try again, with --resume where clients are merged"
        )
