"""The ledger: the server's whole state in one SQLite file, changed by transactions only.

    settings      terms, capacity, configuration, the checksum secret, the seal, the head of the receipts
    chunks        all sums, in pieces
    members       what is kept of each member (`Member`)
    environments  the members' environment fingerprints
    node_keys     in a deployment, the key of the node that each member is tied to
    journal       uploads merged since the sums were last written
    receipts      what was done for those who asked to leave, each with the hash of the one before

The state is the chunks plus the journal. A merge appends to members and journal; folding writes the sums and empties
the journal; a removal does that and deletes the member. Each is one transaction: after a kill at any moment the state
is that of before or of after. `secure_delete` overwrites what is deleted, `scrub` leaves no copy in the log of SQLite.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.ledger_file import COLUMNS, checked, companions, damaged, told_as_damage
from fedsift.core.member import Member
from fedsift.core.plain_files import PARTIAL
from fedsift.core.receipt import Receipt, ReceiptBody
from fedsift.core.running_sums import RunningSums, sums_bytes
from fedsift.core.sealed_tables import SealedTables

_CHUNK = 1 << 20  # Entries of a sum that lie in one row, and bytes of an upload that are written at a time.


class Ledger(SealedTables):
    """One open ledger file, or one in memory, which does without sums and uploads: they would be there twice."""

    @classmethod
    def create(
        cls,
        path: Path | None,
        terms: UploadTerms,
        capacity: int,
        config: str = "",
        model_digest: bytes = b"",
        key: Ed25519PrivateKey | None = None,
    ) -> "Ledger":
        """A new, empty ledger in a file that does not exist, with room for `capacity` members; in memory for None.

        The file gets its name when it is whole: after a kill there is a ledger or there is none.

        The text of the configuration is kept as it is, and so is the digest of the M0 that the members share
        (`FlatModel.base_digest`), which is empty where it is not known. The key seals it.

        Raises:
            BadInput: there is a file of this name.
        """
        if path is None:
            ledger = cls._new(None, key)
            ledger._fill(terms, capacity, config, model_digest)
            return ledger
        if path.exists():
            raise BadInput(f"ledger {path} exists already")
        partial = path.with_name(f"{path.name}{PARTIAL}")
        for leftover in [*partial.parent.glob(f"{partial.name}*"), *companions(path)]:
            leftover.unlink(missing_ok=True)
        with cls._new(partial, key) as ledger:
            ledger._fill(terms, capacity, config, model_digest)
        partial.replace(path)
        return cls.open(path, key=key)

    def _fill(self, terms: UploadTerms, capacity: int, config: str, model_digest: bytes) -> None:
        with self.transaction():
            self.set("terms", json.dumps(terms.as_json()))
            self.set("capacity", capacity)
            self.set("config", config)
            self.set("model_digest", model_digest)
            self.set("checksum_secret", secrets.token_bytes(16))
            self.set("log_id", secrets.token_bytes(16))
            if self._public:
                self.set("public_key", self._public)
            self.write_sums(RunningSums(terms, capacity))

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the ledger was made with."""
        with told_as_damage():
            return dict(json.loads(self.get("config")))

    @property
    def terms(self) -> UploadTerms:
        """What the members' uploads agree on."""
        with told_as_damage():
            return UploadTerms.from_json(json.loads(self.get("terms")))

    @property
    def publications(self) -> list[str]:
        """The digests of the states that were published with noise, each once."""
        with told_as_damage():
            return [str(each) for each in json.loads(self.get("publications", "[]"))]

    @property
    def checksum_secret(self) -> int:
        """The secret of the linear checksums, 128 bits."""
        return int.from_bytes(self.get("checksum_secret"), "little")

    def write_sums(self, sums: RunningSums) -> None:
        """Replace the stored sums."""
        if self.in_memory:
            return
        for name, vector in sums.vectors():
            for number, start in enumerate(range(0, len(vector), _CHUNK)):
                data = vector[start : start + _CHUNK].astype(vector.dtype.newbyteorder("<")).tobytes()
                self._delete("chunks", "WHERE sum = ? AND number = ?", name, number)
                self._insert("chunks", (name, number, _sha256(data)), data)

    def empty_sums(self) -> RunningSums:
        """Sums of the right sizes to fill, all zero.

        Raises:
            BadInput: sums of the ledger's terms and capacity are not as large as those that are stored: memory is not
                taken for what a ledger says alone.
        """
        terms, capacity = self.terms, self.get("capacity")
        expected = sums_bytes(terms, capacity)
        with told_as_damage():
            stored = self._connection.execute("SELECT coalesce(sum(length(data)), 0) FROM chunks").fetchone()[0]
        if stored != expected and not self.in_memory:
            raise damaged(f"its sums are {stored:,} bytes; its terms and capacity make it {expected:,}")
        return RunningSums(terms, capacity)

    def read_sums(self, sums: RunningSums) -> None:
        """Fill `sums` with what is stored.

        Raises:
            BadInput: chunks are missing or have the wrong size.
        """
        if self.in_memory and not self.members():
            return
        for name, vector in sums.vectors():
            for number, start in enumerate(range(0, len(vector), _CHUNK)):
                piece: NDArray[Any] = vector[start : start + _CHUNK]
                data = next((data for *_, data in self._chunks("WHERE sum = ? AND number = ?", name, number)), None)
                if data is None or len(data) != piece.nbytes:
                    raise damaged(f"chunk {number} of the {name} is missing or has the wrong size")
                piece[:] = np.frombuffer(data, vector.dtype.newbyteorder("<"))

    def _chunks(self, where: str = "", *values: str | int) -> Iterator[tuple[str, int, bytes, bytes]]:
        columns = COLUMNS["chunks"] | {"data": bytes}
        with told_as_damage():
            for row in self._connection.execute(f"SELECT {', '.join(columns)} FROM chunks {where}", values):
                checked("chunks", columns, row)
                yield row

    def members(self) -> dict[str, Member]:
        """All members by client id."""
        return {client_id: Member(*fields) for client_id, *fields in self._rows("members", "ORDER BY client_id")}

    def insert_member(self, client_id: str, member: Member, fingerprint: str) -> None:
        """Append a member."""
        if not any(self._rows("environments", "WHERE digest = ?", member.environment)):
            self._insert("environments", (member.environment, fingerprint))
        self._insert("members", (client_id, *vars(member).values()))

    def node_key(self, client_id: str) -> str:
        """The key of the node that a member is tied to; empty where it is tied to none."""
        return next((str(key) for _, key in self._rows("node_keys", "WHERE client_id = ?", client_id)), "")

    def set_node_key(self, client_id: str, key: str) -> None:
        """Tie a member to a node, by the SHA-256 of its public key in hexadecimal."""
        self._delete("node_keys", "WHERE client_id = ?", client_id)
        self._insert("node_keys", (client_id, key))

    def append_journal(self, client_id: str, upload: bytes, digest: bytes) -> None:
        """Append a member's upload, and its SHA-256, to the journal."""
        if self.in_memory:
            return
        # Written in pieces: SQLite makes two copies of what it is given at once.
        execute = self._connection.execute
        row = execute("INSERT INTO journal VALUES (?, ?, zeroblob(?))", (client_id, digest, len(upload))).lastrowid
        self._content.add("journal", (client_id, digest))
        assert row is not None
        with self._connection.blobopen("journal", "upload", row) as blob:
            for start in range(0, len(upload), _CHUNK):
                blob.write(upload[start : start + _CHUNK])

    def delete_member(self, client_id: str) -> None:
        """Delete a member's row and key, and its environment unless others share it."""
        where = "WHERE client_id = ?"
        environments = [Member(*fields).environment for _, *fields in self._rows("members", where, client_id)]
        self._delete("members", where, client_id)
        self._delete("node_keys", where, client_id)
        for each in environments:  # SQLite looks no further than the first member who shares it.
            shared = "EXISTS (SELECT 1 FROM members WHERE environment = environments.digest)"
            self._delete("environments", f"WHERE digest = ? AND NOT {shared}", each)

    def fingerprint(self, environment: bytes) -> dict[str, str]:
        """The fingerprint behind a member's `environment`."""
        rows = self._rows("environments", "WHERE digest = ?", environment)
        return next((_fingerprint(text) for _, text in rows), {})

    def fingerprints(self) -> list[dict[str, str]]:
        """The environments of all members, each once."""
        return [_fingerprint(text) for _, text in self._rows("environments", "ORDER BY fingerprint")]

    def journal(self) -> Iterator[tuple[str, bytes]]:
        """Client id and upload of every merge since the last fold, one in memory at a time.

        Raises:
            BadInput: an upload is not the one that was merged.
        """
        with told_as_damage():
            for row, client_id, digest in self._connection.execute("SELECT rowid, client_id, digest FROM journal"):
                checked("journal", COLUMNS["journal"], (client_id, digest))
                upload = self._journal_upload(row)
                if _sha256(upload) != digest:
                    raise damaged(f"the journal's upload of client {client_id!r} is not the one merged")
                yield client_id, upload
                del upload  # Before the next one is read.

    def _journal_upload(self, row: int) -> bytes:
        with self._connection.blobopen("journal", "upload", row, readonly=True) as blob:
            return blob.read()

    def clear_journal(self) -> None:
        """Empty the journal."""
        self._delete("journal")

    def append_receipt(self, body: ReceiptBody) -> Receipt:
        """Write the next receipt; its number and the hash of the one before are added to it."""
        last = next(self._rows("receipts", "ORDER BY number DESC LIMIT 1"), (0, "", b"", bytes(32)))
        receipt = Receipt.after(last[0] + 1, last[3], body)
        self._append(receipt)
        return receipt

    def receipts(self) -> list[Receipt]:
        """The log."""
        return [Receipt(*row) for row in self._rows("receipts", "ORDER BY number")]

    def copy_receipts(self, other: "Ledger") -> None:
        """Take over another ledger's log."""
        self.set("log_id", other.get("log_id"))
        for receipt in other.receipts():
            self._append(receipt)

    def _append(self, receipt: Receipt) -> None:
        self._insert("receipts", tuple(vars(receipt).values()))
        self.set("receipts_head", receipt.digest)

    def content_errors(self) -> list[str]:
        """What the seal says of all that is stored; empty where it is what was sealed, by the ledger's own key."""
        changed = [
            f"chunk {number} of the {name} was changed"
            for name, number, digest, data in self._chunks()
            if _sha256(data) != digest
        ]
        return changed + super().content_errors()

    def structure_errors(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        with told_as_damage():
            found = [row[0] for row in self._connection.execute("PRAGMA integrity_check")]
            strays = [f"a row of {row[0]} belongs to none of {row[2]}" for row in self._connection.execute(_STRAYS)]
        return ([] if found == ["ok"] else [str(each) for each in found]) + strays


_STRAYS = "PRAGMA foreign_key_check"


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _fingerprint(text: str) -> dict[str, str]:
    with told_as_damage():
        return {str(name): str(value) for name, value in dict(json.loads(text)).items()}
