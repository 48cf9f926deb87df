"""A leaver's rerun: honest, or what its node says of its misbehaviour."""

from collections.abc import Collection, Sequence
from typing import Any

from flwr.app import Message

from fedsift.data.examples import Row
from fedsift.errors import BadInput
from simulations.client import Client
from simulations.optout.scenario import DATA_CHANGED, DATA_LOST, OTHER_HARDWARE, TAMPERED_UPLOAD
from simulations.ray_grid import Workers
from simulations.worker import Parcel
from simulations.worker_pool import WorkerPool
from strategies.messages import FORGET


def rerun(message: Message, client: Client) -> Message:
    """Run the training that was merged again and upload what comes of it.

    Raises:
        BadInput: the client has lost its data.
    """
    if client.misbehaviour == DATA_LOST:
        raise BadInput(f"client {client.id!r} has lost its data, so it cannot train again")
    rows = client.train_examples
    if client.misbehaviour == DATA_CHANGED:
        rows = _changed(rows)
    reply = client.trained(message, client.trainer(message).tune(client.id, rows))
    if client.misbehaviour == TAMPERED_UPLOAD:
        _flip_a_bit(reply)
    return reply


def _changed(rows: Sequence[Row]) -> Sequence[Row]:
    """Other rows: without the last one; a single one stands there twice."""
    return rows[:-1] if len(rows) > 1 else [*rows, *rows]


def _flip_a_bit(reply: Message) -> None:
    """Change the lowest bit of the upload's last byte."""
    record = reply.content.config_records["client"]
    upload = record["upload"]
    assert isinstance(upload, bytes)
    record["upload"] = upload[:-1] + bytes([upload[-1] ^ 1])


def other_profile(profile: str) -> str:
    """A reproducibility profile under which a training gives other bits (docs/reproducibility.md)."""
    return "vendor" if profile == "portable" else "portable"


class PoolWithOtherHardware(Workers):
    """A pool of workers in which clients that have changed their hardware rerun their training in a pool of its own."""

    def __init__(self, pool: WorkerPool, other: WorkerPool) -> None:
        self._pool, self._other = pool, other

    def __len__(self) -> int:
        return len(self._pool)

    def refresh(self) -> bool:
        """Both pools look."""
        starting = [pool.refresh() for pool in (self._pool, self._other)]
        return any(starting)

    def submit(self, parcel: Parcel, died_under: Collection[Any] = ()) -> tuple[Any, Any]:
        """Send messages to a worker of the pool that they are for."""
        changed = parcel.contexts[0].node_config.get("misbehaviour") == OTHER_HARDWARE
        pool = self._other if changed and parcel.messages[0].metadata.message_type == FORGET else self._pool
        return pool.submit(parcel, died_under)

    def finished(self, actor: Any) -> None:
        """A pool knows its own workers."""
        self._pool.finished(actor)
        self._other.finished(actor)

    def replace(self, actor: Any) -> None:
        """A pool knows its own workers."""
        self._pool.replace(actor)
        self._other.replace(actor)
