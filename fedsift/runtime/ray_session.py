"""Ray workers for a command, on this machine or a cluster, for as long as it takes."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsift.configuration.run_config import RunConfig, cores
from fedsift.learning.reproducibility import worker_environment
from fedsift.runtime.gpu_share import gpus_here, workers_and_share
from fedsift.runtime.worker import CLIENT_APP

if TYPE_CHECKING:  # Ray: not where nothing is started on it
    from fedsift.runtime.worker_pool import WorkerPool


@contextmanager
def ray_session(
    clients: int, config: RunConfig, client_app: str = CLIENT_APP, spare: int = 0
) -> Iterator["WorkerPool"]:
    """Workers as configured for so many clients, on this machine or a cluster, stopped at the end whatever happens.

    Args:
        clients: how many; for nobody nothing is started.
        config: of the run.
        client_app: what the workers run, "module:name".
        spare: so many actors more have room, which somebody else may start.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)  # The bars and the table say it better.
    if not clients:
        from fedsift.runtime.worker_pool import WorkerPool

        yield WorkerPool(client_app, 0, config.profile)
        return
    terminated = signal.getsignal(signal.SIGTERM)  # Ray sets handlers of its own, if only for the main thread.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # A mistake that each worker finds is told once.
    try:
        start = _on_cluster if config.ray_address else _on_this_machine
        with ExitStack() as stack:
            try:
                pool = stack.enter_context(start(clients, config, client_app, spare))
            except SystemExit:  # by such a handler
                if callable(terminated):
                    terminated(signal.SIGTERM, None)
                raise
            if callable(terminated):  # of the program itself, as the command line's
                _restore(terminated)
            yield pool
    finally:
        _restore(terminated)


def _restore(terminated: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminated)


@contextmanager
def _on_this_machine(clients: int, config: RunConfig, client_app: str, spare: int) -> Iterator["WorkerPool"]:
    """Ray for these workers alone, started under their profile."""
    from fedsift.runtime.ray_start import local_ray
    from fedsift.runtime.worker_pool import WorkerPool

    gpus = gpus_here(config)
    workers, share = workers_and_share(config, clients, gpus, cores())
    with local_ray(workers + spare, worker_environment(config.profile, gpus), gpus):
        yield WorkerPool(client_app, workers, config.profile, share, inherits=True)


@contextmanager
def _on_cluster(clients: int, config: RunConfig, client_app: str, spare: int) -> Iterator["WorkerPool"]:
    """Workers spread over a running cluster."""
    from fedsift.runtime.cluster import connected, workers_on_cluster
    from fedsift.runtime.worker_pool import WorkerPool

    with connected(config.ray_address):
        workers, share = workers_on_cluster(config, clients, spare)
        yield WorkerPool(client_app, workers, config.profile, share, cluster_folder=str(Path.cwd()))
