"""A leaver's rerun: honest, or what its node says of its misbehaviour."""

from collections.abc import Sequence

from flwr.app import Message

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.federation.client import Client
from fedsift.studies.optout.scenario import DATA_CHANGED, DATA_LOST, TAMPERED_UPLOAD


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
