"""Removal certificates and tree heads: what is signed, and how others check it (docs/reference/certificate.md)."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.envelope import Envelope, signed
from fedsift.core.errors import BadInput, counted
from fedsift.core.ledger import Ledger
from fedsift.core.receipt_log import Certificate, HeadSince, ReceiptLog, TreeHead
from fedsift.core.strict_json import LARGEST

_KINDS: dict[str, type[Certificate | HeadSince]] = {kind.payload_type: kind for kind in (Certificate, HeadSince)}


def certify(statement: Certificate | HeadSince, key: Ed25519PrivateKey) -> str:
    """The content of its file."""
    return signed(statement.values(), statement.payload_type, key).text


@dataclass(frozen=True)
class Signed:
    """A certificate or a tree head as its file holds it; nothing in it is to be believed before `problems` is empty."""

    said: Certificate | HeadSince
    envelope: Envelope

    @classmethod
    def read(cls, content: bytes, name: str) -> "Signed":
        """From a file's content, which may be hostile; `name` begins every error.

        Raises:
            BadInput: it is neither a certificate nor a tree head.
        """
        try:
            envelope = Envelope.read(content)
            if envelope.payloadType not in _KINDS:
                raise ValueError(f"its payload is of type {envelope.payloadType!r}")
            statement = envelope.statement
            said = _KINDS[envelope.payloadType].of(statement)
            if said.values() != statement:
                raise ValueError("what is signed is not in the canonical form")
            return cls(said, envelope)
        except ValueError as error:
            raise BadInput(f"{name} is no removal certificate or tree head: {error}") from error

    @classmethod
    def load(cls, path: Path) -> "Signed":
        """From a file.

        Raises:
            BadInput: it cannot be read, or is neither a certificate nor a tree head.
        """
        try:
            with path.open("rb") as file:
                return cls.read(file.read(LARGEST + 1), str(path))
        except OSError as error:
            raise BadInput(f"certificate {path}: {error.strerror}") from error

    @property
    def head(self) -> TreeHead:
        """The log that it speaks of."""
        return self.said.head

    def problems(self, public_key: str) -> list[str]:
        """What is wrong with it, for who holds the server's public key (64 hexadecimal digits) and nothing else."""
        if not self.envelope.is_signed_by(public_key):
            return [f"it is not signed with the key {public_key}"]
        return self.said.problems()

    def problems_beside(self, log: ReceiptLog) -> list[str]:
        """What is wrong with it, for who has the log."""
        size = self.head.size
        if size > len(log):
            return [f"it is of a log of {counted(size, 'receipt')}, the ledger has {len(log)}"]
        if self.head != log.head(size):
            return [f"the ledger's log of {counted(size, 'receipt')} is another one"]
        return []


def check_against(path: Path, ledger: Ledger) -> list[str]:
    """What is wrong with the file of a certificate or a tree head, against a ledger; empty if nothing is.

    Raises:
        BadInput: the file is neither.
    """
    found = Signed.load(path)
    return [*found.problems(ledger.public_key), *found.problems_beside(ReceiptLog.of(ledger))]


def check_log(old: Signed, new: Signed, public_key: str) -> list[str]:
    """What is wrong with two heads of one log; empty where the newer log begins with the older one.

    Raises:
        BadInput: the newer one has no proof for the size of the older one.
    """
    problems = [
        f"the {age} head: {problem}"
        for age, each in (("older", old), ("newer", new))
        for problem in each.problems(public_key)
    ]
    before, now = old.head, new.head
    if problems:
        return problems
    if before.log != now.log:
        return ["they are heads of two logs: either of two runs, or the server keeps more than one log of this run"]
    if before.size > now.size:
        return [f"the newer log has {counted(now.size, 'receipt')}, the older one {before.size}: it was put back"]
    if before.size == now.size:
        told = f"two logs of {counted(now.size, 'receipt')} are signed: different clients are shown different logs"
        return [] if before == now else [told]
    if not isinstance(new.said, HeadSince) or new.said.since != before.size:
        raise BadInput(
            f"the newer head has no proof about the log of {counted(before.size, 'receipt')}: ask whoever "
            "runs the server for "
            f"`fedsift log-head RUN --since {before.size}`"
        )
    if not new.said.continues(before):
        return ["the newer log does not begin with the older one: receipts were changed or taken out"]
    return []
