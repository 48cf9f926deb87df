"""Workers as processes of this machine, without Ray: for short commands, which Ray's own start would double.

They are gone with this process, however it ends.
"""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from flwr.app import ArrayRecord, UserConfig

from fedsift.configuration.run_config import RunConfig, cores
from fedsift.learning.reproducibility import worker_environment
from fedsift.protocol.loaded import Loaded
from fedsift.runtime.gpu_share import workers_and_share
from fedsift.runtime.in_flight import Call, NoWorkers, Pool, WorkerLost, mapped
from fedsift.runtime.worker import CLIENT_APP, Parcel

T = TypeVar("T")


@contextmanager
def local_session(clients: int, config: RunConfig, client_app: str = CLIENT_APP) -> Iterator["LocalPool"]:
    """Workers for so many clients on this machine's CPUs, stopped at the end whatever happens."""
    logging.getLogger("flwr").setLevel(logging.ERROR)  # The bars and the table say it better.
    workers, _ = workers_and_share(config, clients, gpus=0, cpus=cores())
    pool = LocalPool(client_app, workers, worker_environment(config.profile, gpus=0))
    try:
        yield pool
    finally:
        pool.stop()


class LocalPool(Pool):
    """Processes that run one ClientApp, or functions beside it."""

    def __init__(self, client_app: str, workers: int, environment: Mapping[str, str]) -> None:
        """Start `workers` processes with further environment variables, that import `client_app` ("module:name")."""
        self.loaded = Loaded()
        self._client_app, self._environment = client_app, environment
        self._asked: UserConfig | None = None
        self._load = {_Process(client_app, environment): 0 for _ in range(workers)}

    def __len__(self) -> int:
        return len(self._load)

    def prepare(self, run_config: UserConfig, shared_file: str = "") -> list[dict[str, str]]:
        """As `Pool` says.

        Raises:
            FedsiftError: as a worker raised it.
            NoWorkers: one died.
        """
        self._asked = run_config
        try:
            prepared = [each.result() for each in [worker.ask("prepare", run_config) for worker in self._load]]
        except WorkerLost as error:
            raise NoWorkers(f"a worker died while it loaded model and data: {error}") from error
        self.loaded = prepared[0].loaded
        fingerprints = {json.dumps(each.fingerprint, sort_keys=True) for each in prepared}
        return [json.loads(text) for text in sorted(fingerprints)]

    def refresh(self) -> bool:
        """A process counts from its start on, and does what it is sent once it is ready."""
        return False

    def submit(self, parcel: Parcel, died_under: Collection[Any] = ()) -> tuple[Any, Any]:
        """Send messages to the worker with the least to do; returns the future of their replies, and the worker."""
        return self._ask("handle", parcel)

    def map(self, function: Callable[..., T], calls: Iterable[Call]) -> Iterator[tuple[str, T]]:
        """As `Pool` says."""
        return mapped(self, lambda arguments, _: self._ask("call", function, *arguments), calls)

    def finished(self, actor: Any) -> None:
        """What was submitted to a worker is done."""
        if actor in self._load:
            self._load[actor] -= 1

    def replace(self, actor: Any) -> None:
        """Start another worker in place of a dead one; once, however many of its messages fail."""
        if self._load.pop(actor, None) is None:
            return
        actor.stop()
        new = _Process(self._client_app, self._environment)
        if self._asked is not None:
            new.ask("prepare", self._asked)  # What fails there fails again with its first message.
        self._load[new] = 0

    def wait(self, futures: list[Any], timeout: float | None) -> list[Any]:
        """As `Workers` says."""
        return list(wait(futures, timeout, FIRST_COMPLETED).done)

    def result(self, future: Any) -> Any:
        """As `Workers` says."""
        return future.result()

    def share(self, record: ArrayRecord) -> None:
        """Records are sent with each message."""

    def stop(self) -> None:
        """End all processes."""
        for each in self._load:
            each.stop()

    def _ask(self, name: str, *arguments: Any) -> tuple[Any, Any]:
        worker = min(self._load, key=lambda each: self._load[each])
        self._load[worker] += 1
        return worker.ask(name, *arguments), worker


class _Process:
    """A process of `fedsift.runtime.local_worker`; requests wait in a thread of its own, so that nobody else does."""

    def __init__(self, client_app: str, environment: Mapping[str, str]) -> None:
        own, other = socket.socketpair()
        with other:
            # A Ray actor of one CPU has one thread in libraries that ask for it, too; it finds what this process finds.
            path = os.pathsep.join(each or str(Path.cwd()) for each in sys.path)
            variables = {"OMP_NUM_THREADS": "1", **os.environ, **environment, "PYTHONPATH": path}
            descriptor = other.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "fedsift.runtime.local_worker", str(descriptor), client_app],
                pass_fds=[descriptor],
                env=variables,
                stdin=subprocess.PIPE,  # Is closed when this process ends, and the worker ends then.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process.
            )
        self._connection: Connection[Any, Any] = Connection(own.detach())
        self._thread = ThreadPoolExecutor(1)
        self._ready = self._thread.submit(self._received)

    def ask(self, name: str, *arguments: Any) -> "Future[Any]":
        """The future of what a method of `Worker` returns or raises; `WorkerLost` if the process dies."""
        return self._thread.submit(self._exchange, name, arguments)

    def stop(self) -> None:
        """Kill the process; what it was asked for is lost."""
        self._process.kill()
        self._process.wait()
        self._thread.shutdown(cancel_futures=True)
        self._connection.close()
        assert self._process.stdin
        self._process.stdin.close()

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self._ready.result()  # Raises what kept the process from importing the app.
        try:
            self._connection.send((name, arguments))
        except OSError as error:
            raise WorkerLost(str(error)) from error
        return self._received()

    def _received(self) -> Any:
        try:
            answer, error = self._connection.recv()
        except (EOFError, OSError) as ended:
            raise WorkerLost("its process ended") from ended
        if error is not None:
            raise error
        return answer
