"""Tables of one SQLite file that change by sealed transactions only: what a ledger is built on.

The hash of all rows (`ContentHash`) is kept beside them and signed by the run's key, in the transaction that changes
them. One value that is edited in place, one row more or less, and the audit sees it; who makes the hash anew for what
he edited has no signature for it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.content_hash import ContentHash, Value
from fedsift.core.errors import BadInput, Refused
from fedsift.core.ledger_file import (
    COLUMNS,
    REQUIRED,
    SEAL,
    check_format,
    check_setting,
    checked,
    connect,
    connect_new,
    damaged,
    make_schema,
    schema_version,
    told_as_damage,
    waiting,
)
from fedsift.core.signing_key import public_key_of, read_public_key


class SealedTables:
    """The rows of one open file, or of one in memory.

    What was made without a key has an unsigned seal, and keeps it; what was made with one is changed with it only.

    Attributes:
        in_memory: whether there is no file.
    """

    patience = 5_000  # milliseconds that a removal waits for those who read the ledger

    def __init__(self, connection: sqlite3.Connection, key: Ed25519PrivateKey | None, leaving: ExitStack) -> None:
        self._connection, self._key, self._leaving = connection, key, leaving
        self.owes_scrub = False
        self.in_memory = not connection.execute("PRAGMA database_list").fetchone()[2]
        self._public = public_key_of(key) if key else ""
        self._content, self._signature = self._read_seal()
        self._schema = schema_version(connection)

    @classmethod
    def _new(cls, path: Path | None, key: Ed25519PrivateKey | None) -> Self:
        connection, leaving = connect_new(path), ExitStack()
        leaving.callback(connection.close)
        with _all_or_nothing(connection):
            make_schema(connection)
        return cls(connection, key, leaving)

    @classmethod
    def open(cls, path: Path, read_only: bool = False, key: Ed25519PrivateKey | None = None) -> Self:
        """An existing ledger; one that was sealed with a key is changed with that key only.

        Raises:
            BadInput: there is none, it is of another format, damaged, or sealed with another key.
            sqlite3.Error: the disk, or another process, is in the way.
        """
        with ExitStack() as leaving:
            opened = cls(connect(path, read_only, leaving), key, leaving)
            opened._check_settings()
            if key is not None:
                opened._check_key()
            if not read_only:
                opened.scrub(patient=False)  # Of a removal whose process was killed, or that others read beside.
            opened._leaving = leaving.pop_all()
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; at rest it is one file, without SQLite's companions, unless somebody else has it open."""
        self._leaving.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in the block, sealed, or none of it.

        Raises:
            Refused: somebody else has changed the ledger since it was opened here: what the caller knows of it is past.
            BadInput: it can be changed with its key only, which is not given.
        """
        before = self._content, self._signature
        try:
            with _all_or_nothing(self._connection):
                if (schema := schema_version(self._connection)) != self._schema:
                    check_format(self._connection, Path("this"))
                    self._schema = schema
                stored, _ = self._read_seal()
                if stored.to_bytes() != before[0].to_bytes():
                    raise Refused("the ledger was changed by another process meanwhile; nothing was done, do it again")
                self._content = before[0].copy()
                yield
                self._write_seal()
        except BaseException:
            self._content, self._signature = before
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within the block, the ledger is read as it is now, whoever changes it meanwhile."""
        nested = self._connection.in_transaction
        if not nested:
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if not nested:
                with suppress(sqlite3.OperationalError):  # SQLite ended it itself: the file cannot be read.
                    self._connection.execute("ROLLBACK")

    def reread(self) -> None:
        """Say that what the caller knows of the ledger is what it reads in this snapshot: it may go on from there."""
        self._content, self._signature = self._read_seal()

    def scrub(self, patient: bool = True) -> bool:
        """Move everything into the main file and cut the write-ahead log to nothing: no old page is left in it.

        Args:
            patient: whether to wait a few seconds for those who read it.

        Returns:
            Whether that was done. Else others read the ledger as it was, or the disk is full; it `owes_scrub`, and
            it is tried again when the ledger is opened or closed.
        """
        self.owes_scrub = True
        milliseconds = self.patience if patient else 0
        with told_as_damage(), suppress(sqlite3.OperationalError), waiting(self._connection, milliseconds):
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self.owes_scrub = bool(busy)
        return not self.owes_scrub

    def become(self, other: Self) -> None:
        """Take over all of another ledger's content in one step, with its seal."""
        other._connection.backup(self._connection)
        self._content, self._signature = self._read_seal()
        self._schema = schema_version(self._connection)
        self.scrub()

    def _read_seal(self) -> tuple[ContentHash, bytes]:
        with told_as_damage():
            rows = self._connection.execute("SELECT content, signature FROM seal").fetchall()
            if len(rows) != 1:
                raise damaged(f"it has {len(rows)} seals")
            checked("seal", SEAL, rows[0])
            return ContentHash(rows[0][0]), rows[0][1]

    def _write_seal(self) -> None:
        if (public := self.public_key) != self._public and public:
            raise BadInput(f"the ledger is sealed with key {public[:16]}..., and is changed with that key only")
        self._signature = self._key.sign(self._content.signed) if self._key and public else b""
        self._connection.execute(
            "UPDATE seal SET content = ?, signature = ?", (self._content.to_bytes(), self._signature)
        )

    def _check_settings(self) -> None:
        found = set()
        for key, value in self._rows("settings"):
            check_setting(key, value)
            found.add(key)
        for key in REQUIRED:
            if key not in found:
                raise damaged(f"setting {key} is missing")

    def _check_key(self) -> None:
        public = self.public_key
        if public != self._public:
            found = f"sealed with key {public[:16]}..." if public else "not sealed with a key"
            raise BadInput(f"the ledger is {found}, this user has another: bring the key back that the run began with")
        if not _is_signed(self._content, self._signature, public):
            raise damaged("its seal does not have the signature of its key; `fedsift verify` tells more")

    @property
    def public_key(self) -> str:
        """Of the key that seals it, in hexadecimal; empty where none does."""
        return str(self.get("public_key", ""))

    def content_errors(self) -> list[str]:
        """What the seal says of the rows: whether they are those that were sealed, and by the ledger's own key."""
        found, wrong = ContentHash(), []
        content, signature = self._read_seal()
        for table in COLUMNS:
            for row in self._rows(table):
                found.add(table, row)
        if found.to_bytes() != content.to_bytes():
            wrong.append("the content is not that which was sealed")
        if (public := self.public_key) and not _is_signed(content, signature, public):
            wrong.append("the seal is not signed by the ledger's key")
        return wrong

    def _rows(self, table: str, where: str = "", *values: Value) -> Iterator[tuple[Any, ...]]:
        """Rows of a table, each checked; of sums and uploads, what stands for them."""
        columns = COLUMNS[table]
        with told_as_damage():
            for row in self._connection.execute(f"SELECT {', '.join(columns)} FROM {table} {where}", values):
                checked(table, columns, row)
                yield row

    def _insert(self, table: str, row: Iterable[Value], *further: bytes) -> None:
        """Write a row; `further` is what its digest stands for."""
        values = (*row, *further)
        places = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO {table} VALUES ({places})", values)
        self._content.add(table, values[: len(COLUMNS[table])])

    def _delete(self, table: str, where: str = "", *values: Value) -> None:
        for row in list(self._rows(table, where, *values)):
            self._content.remove(table, row)
        self._connection.execute(f"DELETE FROM {table} {where}", values)

    def get(self, key: str, default: Any = None) -> Any:
        """A setting."""
        for _, value in self._rows("settings", "WHERE key = ?", key):
            check_setting(key, value)
            return value
        return default

    def set(self, key: str, value: str | int | bytes) -> None:
        """Write a setting, within a transaction."""
        check_setting(key, value)
        self._delete("settings", "WHERE key = ?", key)
        self._insert("settings", (key, value))


@contextmanager
def _all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite ends one itself on a full disk.
            connection.execute("ROLLBACK")
        raise


def _is_signed(content: ContentHash, signature: bytes, public_key: str) -> bool:
    try:
        read_public_key(public_key).verify(signature, content.signed)
    except (ValueError, InvalidSignature):
        return False
    return True
