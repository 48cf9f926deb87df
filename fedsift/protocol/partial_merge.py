"""Merging where the clients run: a worker that the server trusts adds uploads up and hands over the sums.

Of the replies of the clients that join, one goes to the server. It holds the sums, and of each client its node and what
the server keeps of it. The uploads stay where they are, and are dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from flwr.app import ConfigRecord, Message

from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import Refused
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.member import Member
from fedsift.core.partial_sums import PartialSums
from fedsift.protocol import messages
from fedsift.protocol.messages import TRAIN

_PARTIAL_SUMS = "partial-sums"
_FIELDS = tuple(field.name for field in fields(Member))


@dataclass(frozen=True)
class PartialMerge:
    """What a worker needs to do the server's part of a merge."""

    terms: UploadTerms  # of the uploads
    checksum_secret: int  # which the server shares with workers, and with no client


class Merging:
    """One merge of up to `capacity` replies, done by a worker."""

    def __init__(self, merge: PartialMerge, capacity: int) -> None:
        self._checksum = LinearChecksum(merge.checksum_secret, merge.terms)
        self._partial = PartialSums(merge.terms, capacity)
        self._nodes: dict[str, int] = {}
        self._first: Message | None = None

    def take(self, message: Message, reply: Message) -> Message | None:
        """Merge a client's reply, and drop it; what cannot be merged is given back: the server will say why not.

        The client must be the one that the server's message is addressed to.
        """
        if reply.metadata.message_type != TRAIN or reply.has_error():
            return reply
        try:
            client = messages.client_record(reply)
            client_id = messages.field(client, "client-id", str)
            if client_id != messages.field(
                messages.record_of(message.content, "client", ConfigRecord), "client-id", str
            ):
                return reply
            upload = messages.field(client, "upload", bytes)
            self._partial.add(client_id, upload, messages.reply_training(client), self._checksum)
        except Refused:
            return reply
        self._nodes[client_id] = reply.metadata.src_node_id
        if self._first is None:
            self._first = reply
            reply.content.clear()
        return None

    def reply(self) -> Message | None:
        """The first reply that was merged, now with the sums of them all; None where none was."""
        if self._first is not None:
            self._first.content[_PARTIAL_SUMS] = _record(self._partial, self._nodes)
        return self._first


def _handed_over(reply: Message) -> ConfigRecord | None:
    """The record of partial sums, if a reply has one."""
    return None if reply.has_error() else messages.find_record(reply.content, _PARTIAL_SUMS, ConfigRecord)


def clients_behind(reply: Message) -> int:
    """Of how many clients a reply is."""
    record = _handed_over(reply)
    return 1 if record is None else len(messages.field(record, "client-id", list))


def read_partial_sums(reply: Message, terms: UploadTerms) -> tuple[PartialSums, dict[str, int]] | None:
    """The sums that a worker hands over, and each client's node; None for any other reply.

    Raises:
        Refused: they are not of these terms, or malformed.
    """
    record = _handed_over(reply)
    if record is None:
        return None
    columns = [messages.field(record, name, list) for name in ("client-id", "node", "fingerprint", *_FIELDS)]
    if len({len(column) for column in columns}) != 1:
        raise Refused("partial sums have columns of several lengths")
    partial, nodes = PartialSums(terms, messages.field(record, "capacity", int)), dict[str, int]()
    partial.read_vectors(messages.field(record, "sums", list))
    for client_id, node_id, fingerprint, *values in zip(*columns, strict=True):
        partial.members[client_id], partial.fingerprints[client_id] = Member(*values), fingerprint
        nodes[client_id] = node_id
    return partial, nodes


def _record(partial: PartialSums, nodes: Mapping[str, int]) -> ConfigRecord:
    clients = list(partial.members)
    columns: dict[str, Any] = {
        "client-id": clients,
        "node": [nodes[each] for each in clients],
        "fingerprint": [partial.fingerprints[each] for each in clients],
        **{name: [getattr(partial.members[each], name) for each in clients] for name in _FIELDS},
    }
    return ConfigRecord({"capacity": partial.sums.capacity, "sums": partial.vector_bytes(), **columns})
