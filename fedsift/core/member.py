"""What is kept of a member besides the sums, and what is made of an upload for it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from fedsift.core.contribution import Contribution
from fedsift.core.linear_checksum import LinearChecksum


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


@dataclass(frozen=True)
class Member:
    """What the server keeps of a member besides the sums."""

    digest: bytes  # SHA-256 of its upload: what its rerun must reproduce
    mask_digest: bytes  # SHA-256 of its packed mask: it is served under the mask it was merged with, and no other
    level_checksum: bytes  # h(q) of `LinearChecksum`, 8 bytes
    mask_checksum: bytes  # h(m), likewise
    data_digest: bytes  # SHA-256 of its examples
    environment: bytes  # digest of the fingerprint of where it trained
    steps: int  # optimiser steps of its training
    upload_bytes: int  # size of its upload
    saturated: int  # entries that the highest level cut

    @classmethod
    def of(cls, contribution: Contribution, training: Training, checksum: LinearChecksum) -> "Member":
        """The record of a client that joins."""
        levels, mask = checksum.of_contribution(contribution)
        upload = contribution.to_bytes()
        return cls(
            digest=hashlib.sha256(upload).digest(),
            mask_digest=hashlib.sha256(contribution.packed_mask).digest(),
            level_checksum=levels.to_bytes(8, "little"),
            mask_checksum=mask.to_bytes(8, "little"),
            data_digest=training.data_digest,
            environment=training.environment,
            steps=training.steps,
            upload_bytes=len(upload),
            saturated=training.saturated,
        )


def summed_checksums(members: Iterable[Member]) -> dict[str, int]:
    """h(S) and h(C) by the name of the sum, as they are where the sums are those of these members."""
    pairs = [(member.level_checksum, member.mask_checksum) for member in members]
    levels, masks = (sum(int.from_bytes(each[place], "little") for each in pairs) % 2**64 for place in (0, 1))
    return {"level sum": levels, "mask count": masks}
