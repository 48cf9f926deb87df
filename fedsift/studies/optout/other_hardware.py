"""Leavers that have changed their hardware: their reruns go to workers of a pool of its own.

These run on a CPU, under another reproducibility profile than the others' workers.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

from flwr.app import ArrayRecord, UserConfig

from fedsift.protocol.messages import FORGET
from fedsift.runtime.in_flight import Workers
from fedsift.runtime.worker import Parcel
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.client_script import ClientScript, Misbehaviour


def other_profile(profile: str) -> str:
    """A reproducibility profile under which a training gives other bits (docs/explanation/reproducibility.md)."""
    return "vendor" if profile == "portable" else "portable"


class PoolWithOtherHardware(Workers):
    """A pool of workers in which clients that have changed their hardware rerun their training in a pool of its own."""

    def __init__(self, pool: WorkerPool, other: WorkerPool, other_config: UserConfig) -> None:
        """`other_config` is what clients run under in the other pool."""
        self._pool, self._other, self._other_config = pool, other, other_config

    def __len__(self) -> int:
        return len(self._pool)

    def refresh(self) -> bool:
        """Both pools look."""
        starting = [pool.refresh() for pool in (self._pool, self._other)]
        return any(starting)

    def submit(self, parcel: Parcel, died_under: Collection[Any] = ()) -> tuple[Any, Any]:
        """Send messages to a worker of the pool that they are for."""
        leaves = parcel.messages[0].metadata.message_type == FORGET
        script, _ = ClientScript.split(parcel.contexts[0].node_config)
        if not (leaves and script.misbehaviour == Misbehaviour.OTHER_HARDWARE):
            return self._pool.submit(parcel, died_under)
        contexts = [dataclasses.replace(context, run_config=self._other_config) for context in parcel.contexts]
        return self._other.submit(parcel._replace(contexts=contexts), died_under)

    def finished(self, actor: Any) -> None:
        """A pool knows its own workers."""
        self._pool.finished(actor)
        self._other.finished(actor)

    def replace(self, actor: Any) -> None:
        """A pool knows its own workers."""
        self._pool.replace(actor)
        self._other.replace(actor)

    def wait(self, futures: list[Any], timeout: float | None) -> list[Any]:
        """Both pools are of one Ray."""
        return self._pool.wait(futures, timeout)

    def result(self, future: Any) -> Any:
        """Both pools are of one Ray."""
        return self._pool.result(future)

    def share(self, record: ArrayRecord) -> Any | None:
        """Both pools are of one Ray."""
        return self._pool.share(record)
