"""What is kept of a member besides the sums, what is made of an upload for it, and how a rerun is told from it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fedsift.core.errors import Refused, counted
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.upload import Upload

_WORD = 8  # bytes of a checksum


@dataclass(frozen=True)
class Training:
    """What a client reports of its training, beside the upload."""

    data_digest: bytes = b""  # SHA-256 of its examples
    fingerprint: str = "{}"  # its environment, as a JSON object of strings
    steps: int = 0  # optimiser steps
    saturated: int = 0  # entries that the highest level cut

    @property
    def environment(self) -> bytes:
        """The digest by which the fingerprint is known."""
        return hashlib.sha256(self.fingerprint.encode()).digest()


class Replacement(NamedTuple):
    """What a member that stays sends beside its rerun: a training without rows that it asked to have forgotten."""

    upload: bytes
    training: Training
    rows: int  # by how many rows fewer than the rerun


@dataclass(frozen=True)
class Member:
    """What the server keeps of a member besides the sums."""

    digest: bytes  # SHA-256 of its upload: what its rerun must reproduce
    mask_digest: bytes  # SHA-256 of its packed mask: it is served under the mask it was merged with, and no other
    checksums: bytes  # `LinearChecksum` of each vector that it added to the sums, in their order, 8 bytes each
    data_digest: bytes  # SHA-256 of its examples
    environment: bytes  # digest of the fingerprint of where it trained
    steps: int  # optimiser steps of its training
    upload_bytes: int  # size of its upload
    saturated: int  # entries that the highest level cut

    @classmethod
    def of(cls, upload: Upload, sent: bytes, training: Training, checksum: LinearChecksum) -> "Member":
        """The record of a client that joins with an upload, which was sent as these bytes."""
        return cls(
            digest=hashlib.sha256(sent).digest(),
            mask_digest=hashlib.sha256(upload.task_vector.packed_mask).digest(),
            checksums=b"".join(each.to_bytes(_WORD, "little") for each in checksum.of_upload(upload)),
            data_digest=training.data_digest,
            environment=training.environment,
            steps=training.steps,
            upload_bytes=len(sent),
            saturated=training.saturated,
        )


def summed_checksums(members: Iterable[Member], vectors: int) -> list[int]:
    """The checksum of each of so many sums, in their order, as they are where the sums are those of these members.

    Raises:
        Refused: a member has another number of checksums.
    """
    totals = [0] * vectors
    for member in members:
        if len(member.checksums) != vectors * _WORD:
            raise Refused(
                f"a member has {counted(len(member.checksums), 'byte')} of checksums; expected {vectors * _WORD}"
            )
        for place in range(vectors):
            totals[place] += int.from_bytes(member.checksums[place * _WORD : (place + 1) * _WORD], "little")
    return [total % 2**64 for total in totals]


def why_different(
    client_id: str, member: Member, digest: bytes, training: Training, environment: dict[str, str]
) -> str:
    """In what a rerun differs from what was merged: the data, else the environment, else only the upload.

    Args:
        client_id: who it is.
        member: what is kept of it.
        digest: of the rerun's upload.
        training: the rerun's.
        environment: the fingerprint of where the member trained.
    """
    differs = f"the rerun of client {client_id!r} differs from what was merged: "
    if training.data_digest != member.data_digest:
        now, then = commitment(training.data_digest), commitment(member.data_digest)
        return f"{differs}other data (commitment {now}, then {then})"
    if training.environment != member.environment:
        here, there = json.loads(training.fingerprint), environment
        names = [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]
        changed = [f"{name} is {here.get(name, '')!r}, then {there.get(name, '')!r}" for name in names]
        return f"{differs}same data, another environment ({'; '.join(changed)})"
    now, then = commitment(digest), commitment(member.digest)
    return f"{differs}same data and environment, another upload (commitment {now}, then {then})"


def commitment(digest: bytes) -> str:
    """A hash of a digest, which a receipt may keep: the client can check it, the digest itself is gone."""
    return hashlib.sha256(b"fedsift commitment" + digest).hexdigest()
