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

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.member import Member
from fedsift.core.receipt import Receipt, ReceiptBody
from fedsift.core.running_sums import RunningSums

FORMAT_VERSION = 2
_CHUNK = 1 << 20  # Entries of a sum that lie in one row, and bytes of an upload that are written at a time.
_APPLICATION_ID = 0x66736C67  # "fslg": what `file` and we recognise the file by.
_SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE chunks (sum TEXT, number INTEGER, data BLOB NOT NULL, PRIMARY KEY (sum, number));
CREATE TABLE environments (digest BLOB PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE members (
    client_id TEXT PRIMARY KEY, digest BLOB NOT NULL, mask_digest BLOB NOT NULL,
    checksums BLOB NOT NULL, data_digest BLOB NOT NULL,
    environment BLOB NOT NULL REFERENCES environments, steps INTEGER NOT NULL, upload_bytes INTEGER NOT NULL,
    saturated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE node_keys (client_id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE journal (client_id TEXT PRIMARY KEY REFERENCES members, upload BLOB NOT NULL);
CREATE TABLE receipts (number INTEGER PRIMARY KEY, body TEXT NOT NULL, previous BLOB NOT NULL, digest BLOB NOT NULL);
"""


class Ledger:
    """One open ledger file, or one in memory."""

    def __init__(self, connection: sqlite3.Connection, read_only: bool = False) -> None:
        self._connection = connection
        self._read_only = read_only
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")

    @classmethod
    def create(
        cls, path: Path | None, terms: UploadTerms, capacity: int, config: str = "", model_digest: bytes = b""
    ) -> "Ledger":
        """A new, empty ledger in a file that does not exist, with room for `capacity` members; in memory for None.

        The text of the configuration is kept as it is, and so is the digest of the M0 that the members share
        (`FlatModel.base_digest`), which is empty where it is not known.
        """
        ledger = cls(_connect(str(path) if path else ":memory:"))
        with ledger.transaction():
            for statement in _SCHEMA.split(";"):
                ledger._connection.execute(statement)
            ledger._connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            ledger._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            ledger.set("terms", json.dumps(terms.as_json()))
            ledger.set("capacity", capacity)
            ledger.set("config", config)
            ledger.set("model_digest", model_digest)
            ledger.set("checksum_secret", secrets.token_bytes(16))
            ledger.set("log_id", secrets.token_bytes(16))
            ledger.write_sums(RunningSums(terms, capacity))
        return ledger

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> "Ledger":
        """An existing ledger.

        Raises:
            BadInput: there is none, or it is of another format.
        """
        if not path.is_file():
            raise BadInput(f"there is no ledger {path}")
        try:
            connection = _connect(f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}")
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise BadInput(f"{path} is not a ledger: {error}") from error
        if application != _APPLICATION_ID:
            raise BadInput(f"{path} is an SQLite file, but not a ledger")
        if version != FORMAT_VERSION:
            raise BadInput(
                f"ledger {path} has format {version}, this fedsift reads format {FORMAT_VERSION}: use the fedsift that "
                "wrote it; the ledger is as it was"
            )
        ledger = cls(connection, read_only)
        if not read_only:
            ledger.scrub()  # A process that was killed after a removal may have left old pages in the log.
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; at rest it is one file, without SQLite's companions, unless somebody else has it open."""
        if not self._read_only:
            self._connection.execute("PRAGMA busy_timeout = 0")
            with suppress(sqlite3.OperationalError):  # Locked: whoever has it open keeps the companions.
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in the block, or none of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def scrub(self) -> None:
        """Move everything into the main file and cut the write-ahead log to nothing: no old page is left in it."""
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise BadInput("the ledger is being read by another process, so its log keeps old pages: try again later")

    def get(self, key: str, default: Any = None) -> Any:
        """A setting."""
        row = self._connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def set(self, key: str, value: str | int | bytes) -> None:
        """Write a setting."""
        self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, value))

    @property
    def terms(self) -> UploadTerms:
        """What the members' uploads agree on."""
        return UploadTerms.from_json(json.loads(self.get("terms")))

    @property
    def checksum_secret(self) -> int:
        """The secret of the linear checksums, 128 bits."""
        return int.from_bytes(self.get("checksum_secret"), "little")

    def write_sums(self, sums: RunningSums) -> None:
        """Replace the stored sums."""
        for name, vector in sums.vectors():
            for number, start in enumerate(range(0, len(vector), _CHUNK)):
                data = vector[start : start + _CHUNK].astype(vector.dtype.newbyteorder("<")).tobytes()
                self._connection.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", (name, number, data))

    def read_sums(self, sums: RunningSums) -> None:
        """Fill `sums` with what is stored.

        Raises:
            BadInput: chunks are missing or have the wrong size.
        """
        for name, vector in sums.vectors():
            for number, start in enumerate(range(0, len(vector), _CHUNK)):
                piece: NDArray[Any] = vector[start : start + _CHUNK]
                chunk = "SELECT data FROM chunks WHERE sum = ? AND number = ?"
                row = self._connection.execute(chunk, (name, number)).fetchone()
                if row is None or len(row[0]) != piece.nbytes:
                    wrong = f"chunk {number} of the {name} is missing or has the wrong size"
                    raise BadInput(f"the ledger is damaged: {wrong}")
                piece[:] = np.frombuffer(row[0], vector.dtype.newbyteorder("<"))

    def members(self) -> dict[str, Member]:
        """All members by client id."""
        rows = self._connection.execute("SELECT * FROM members ORDER BY client_id")
        return {client_id: Member(*fields) for client_id, *fields in rows}

    def insert_member(self, client_id: str, member: Member, fingerprint: str) -> None:
        """Append a member."""
        execute = self._connection.execute
        execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (member.environment, fingerprint))
        execute("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (client_id, *vars(member).values()))

    def node_key(self, client_id: str) -> str:
        """The key of the node that a member is tied to; empty where it is tied to none."""
        row = self._connection.execute("SELECT key FROM node_keys WHERE client_id = ?", (client_id,)).fetchone()
        return str(row[0]) if row else ""

    def set_node_key(self, client_id: str, key: str) -> None:
        """Tie a member to a node, by the SHA-256 of its public key in hexadecimal."""
        self._connection.execute("INSERT OR REPLACE INTO node_keys VALUES (?, ?)", (client_id, key))

    def append_journal(self, client_id: str, upload: bytes) -> None:
        """Append a member's upload to the journal."""
        execute = self._connection.execute
        # Written in pieces: SQLite makes two copies of what it is given at once.
        execute("INSERT INTO journal VALUES (?, zeroblob(?))", (client_id, len(upload)))
        row = execute("SELECT last_insert_rowid()").fetchone()[0]
        with self._connection.blobopen("journal", "upload", row) as blob:
            for start in range(0, len(upload), _CHUNK):
                blob.write(upload[start : start + _CHUNK])

    def delete_member(self, client_id: str) -> None:
        """Delete a member's row and key, and its environment unless others share it."""
        self._connection.execute("DELETE FROM members WHERE client_id = ?", (client_id,))
        self._connection.execute("DELETE FROM node_keys WHERE client_id = ?", (client_id,))
        self._connection.execute("DELETE FROM environments WHERE digest NOT IN (SELECT environment FROM members)")

    def fingerprint(self, environment: bytes) -> dict[str, str]:
        """The fingerprint behind a member's `environment`."""
        known = "SELECT fingerprint FROM environments WHERE digest = ?"
        row = self._connection.execute(known, (environment,)).fetchone()
        found: dict[str, str] = json.loads(row[0]) if row else {}
        return found

    def fingerprints(self) -> list[dict[str, str]]:
        """The environments of all members, each once."""
        rows = self._connection.execute("SELECT fingerprint FROM environments ORDER BY fingerprint")
        return [json.loads(row[0]) for row in rows]

    def journal(self) -> Iterator[tuple[str, bytes]]:
        """Client id and upload of every merge since the last fold, one in memory at a time."""
        for client_id, row in self._connection.execute("SELECT client_id, rowid FROM journal"):
            yield client_id, self._journal_upload(row)

    def _journal_upload(self, row: int) -> bytes:
        with self._connection.blobopen("journal", "upload", row, readonly=True) as blob:
            return blob.read()

    def clear_journal(self) -> None:
        """Empty the journal."""
        self._connection.execute("DELETE FROM journal")

    def append_receipt(self, body: ReceiptBody) -> Receipt:
        """Write the next receipt; its number and the hash of the one before are added to it."""
        last = self._connection.execute("SELECT number, digest FROM receipts ORDER BY number DESC LIMIT 1").fetchone()
        number, previous = last or (0, bytes(32))
        receipt = Receipt.after(number + 1, previous, body)
        self._connection.execute("INSERT INTO receipts VALUES (?, ?, ?, ?)", tuple(vars(receipt).values()))
        self.set("receipts_head", receipt.digest)
        return receipt

    def receipts(self) -> list[Receipt]:
        """The log."""
        return [Receipt(*row) for row in self._connection.execute("SELECT * FROM receipts ORDER BY number")]

    def copy_receipts(self, other: "Ledger") -> None:
        """Take over another ledger's log."""
        self.set("log_id", other.get("log_id"))
        for receipt in other.receipts():
            self._connection.execute("INSERT INTO receipts VALUES (?, ?, ?, ?)", tuple(vars(receipt).values()))
            self.set("receipts_head", receipt.digest)

    def structure_errors(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        found = [row[0] for row in self._connection.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found


def _connect(location: str) -> sqlite3.Connection:
    """Transactions are begun and ended by hand; a second process waits for a lock rather than failing at once."""
    return sqlite3.connect(location, timeout=30, isolation_level=None, uri=location.startswith("file:"))
