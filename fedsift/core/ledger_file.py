"""A ledger's file as SQLite has it: its tables, how it is opened, and what of it is believed.

A ledger may come from anybody. Nothing of it is used before its schema is known to be ours, to the letter: no trigger,
view or further index is ever run. The file and its companions are files of their own, no links; a rollback journal,
which we never make and which can name any file for SQLite to delete, keeps it from being opened. It is always in
write-ahead mode: readers see one state, whoever writes, and a process that is killed leaves nothing that a reader could
not read.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from fedsift.core.content_hash import SIZE
from fedsift.core.errors import BadInput, legible
from fedsift.core.plain_files import check_plain

FORMAT_VERSION = 3
_APPLICATION_ID = 0x66736C67  # "fslg": what `file` and we recognise the file by.
_WAIT = 30_000  # milliseconds that a second process waits for a lock rather than failing at once
_TRIES, _STILL = 50, 0.1  # Seconds without a change, after which a file that cannot be locked is taken to lie still.
_SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE chunks (
    sum TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (sum, number));
CREATE TABLE environments (digest BLOB PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE members (
    client_id TEXT PRIMARY KEY, digest BLOB NOT NULL, mask_digest BLOB NOT NULL,
    checksums BLOB NOT NULL, data_digest BLOB NOT NULL,
    environment BLOB NOT NULL REFERENCES environments, steps INTEGER NOT NULL, upload_bytes INTEGER NOT NULL,
    saturated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE node_keys (client_id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE journal (
    client_id TEXT PRIMARY KEY NOT NULL REFERENCES members, digest BLOB NOT NULL, upload BLOB NOT NULL);
CREATE TABLE receipts (number INTEGER PRIMARY KEY, body TEXT NOT NULL, previous BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE seal (content BLOB NOT NULL, signature BLOB NOT NULL);
"""
# What a column holds: text, a number, bytes, or so many bytes. Of a sum and of an upload, its digest stands for it.
_Kind = type | int
COLUMNS: dict[str, dict[str, _Kind]] = {
    "settings": {"key": str, "value": object},
    "chunks": {"sum": str, "number": int, "digest": 32},
    "environments": {"digest": 32, "fingerprint": str},
    "members": {
        "client_id": str,
        "digest": 32,
        "mask_digest": 32,
        "checksums": bytes,
        "data_digest": bytes,
        "environment": 32,
        "steps": int,
        "upload_bytes": int,
        "saturated": int,
    },
    "node_keys": {"client_id": str, "key": str},
    "journal": {"client_id": str, "digest": 32},
    "receipts": {"number": int, "body": str, "previous": 32, "digest": 32},
}
SEAL: dict[str, _Kind] = {"content": SIZE, "signature": bytes}
SETTINGS: dict[str, _Kind] = {
    "terms": str,
    "capacity": int,
    "config": str,
    "model_digest": bytes,
    "checksum_secret": 16,
    "log_id": 16,
    "receipts_head": 32,
    "public_key": str,
    "blend": str,
    "publications": str,
    "mask_folder": int,
    "owed": str,
}
REQUIRED = ("terms", "capacity", "config", "model_digest", "checksum_secret", "log_id")
# What SQLite says of a disk, of memory or of other processes; anything else it says is of the file's content.
_NO_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


@contextmanager
def told_as_damage() -> Iterator[None]:
    """What goes wrong where a ledger's content is read is told in one line, as of a ledger that is damaged.

    Raises:
        BadInput: the content is none of ours.
        sqlite3.Error: the disk, or another process, is in the way.
    """
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_DAMAGE:
            raise
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise BadInput(f"this is not a ledger: {error}") from error
        raise damaged(str(error)) from error
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise damaged(f"{type(error).__name__}: {error}") from error


def damaged(what: str) -> BadInput:
    """The error for a ledger whose content is none of ours."""
    return BadInput(f"the ledger is damaged: {what}")


def checked(table: str, columns: dict[str, _Kind], row: Sequence[object]) -> None:
    """See that the values of a row are of their kinds.

    Raises:
        BadInput: one is not.
    """
    for value, (name, kind) in zip(row, columns.items(), strict=True):
        if kind is object:
            continue
        right = type(value) is kind if isinstance(kind, type) else type(value) is bytes and len(value) == kind
        if not right:
            raise damaged(f"{name} of {table} is no {kind.__name__ if isinstance(kind, type) else f'{kind} bytes'}")


def check_setting(key: str, value: object) -> None:
    """See that a setting is one of ours.

    Raises:
        BadInput: it is not.
    """
    if key not in SETTINGS:
        raise damaged(f"unknown setting {legible(key)}")
    checked("settings", {key: SETTINGS[key]}, (value,))


def make_schema(connection: sqlite3.Connection) -> None:
    """Make the tables, empty."""
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute("INSERT INTO seal VALUES (?, ?)", (bytes(SIZE), b""))


def connect_new(path: Path | None) -> sqlite3.Connection:
    """A new file, or for None memory."""
    connection = _prepared(sqlite3.connect(str(path) if path else ":memory:", isolation_level=None))
    connection.execute("PRAGMA auto_vacuum = FULL")  # What a transaction frees is given back.
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def connect(path: Path, read_only: bool, leaving: ExitStack) -> sqlite3.Connection:
    """Open an existing ledger whose schema is ours.

    A reader may tidy up after a process that was killed. Where it may write nothing, it reads beside the process at
    work, or a copy, which `leaving` takes away.

    Raises:
        BadInput: there is none, it is of another format, or not as we made it.
    """
    for each in (path, *companions(path)):
        check_plain(each)
    if not path.exists():
        raise BadInput(f"there is no ledger {path}")
    if os.path.lexists(journal := path.with_name(f"{path.name}-journal")):
        raise BadInput(f"{path}: beside it lies {journal.name}, which fedsift never makes: take it away")
    with told_as_damage():
        if read_only and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            connection = _as_guest(path, leaving)
        else:
            connection = _opened(path, "rw", leaving)
        check_format(connection, path)
        connection.execute(f"PRAGMA {'query_only = ON' if read_only else 'journal_mode = WAL'}")
    return connection


def _opened(path: Path, mode: str, leaving: ExitStack) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", isolation_level=None, uri=True)
    leaving.callback(connection.close)
    return _prepared(connection)


def _as_guest(path: Path, leaving: ExitStack) -> sqlite3.Connection:
    """Open a ledger where nothing may be written: beside the process at work on it, or a copy of what lies still."""
    for _ in range(_TRIES):
        with ExitStack() as failing:
            try:
                guest = _opened(path, "ro", failing)
                guest.execute("BEGIN")  # To its end, one state: when the others close, it could not begin another.
                guest.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
                    raise
            else:
                leaving.push(failing.pop_all())
                return guest
        files = [path, companions(path)[0]]
        with suppress(FileNotFoundError), ExitStack() as failing:
            before = _stamps(files)
            copy = Path(failing.enter_context(tempfile.TemporaryDirectory(prefix="fedsift-")))
            for each in before:
                shutil.copyfile(each, copy / each.name)
            lay_still = time.time_ns() - max(before.values()) > _STILL * 1e9
            if lay_still and _stamps(files) == before:
                leaving.push(failing.pop_all())
                return _opened(copy / path.name, "rw", leaving)
        time.sleep(_STILL)
    raise BadInput(f"{path} is changed all the time, and this user may not write beside it: try again")


def _stamps(files: Sequence[Path]) -> dict[Path, int]:
    return {each: each.stat().st_mtime_ns for each in files if each.exists()}


def companions(path: Path) -> tuple[Path, Path]:
    """SQLite's log and index beside a ledger that is open, or was when its process was killed."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA trusted_schema = OFF")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA temp_store = MEMORY")  # Nothing of a member lies in a file of which we do not know.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    wait(connection, _WAIT)
    return connection


@contextmanager
def waiting(connection: sqlite3.Connection, milliseconds: int) -> Iterator[None]:
    """Within the block, wait no longer than this for other processes."""
    wait(connection, milliseconds)
    try:
        yield
    finally:
        wait(connection, _WAIT)


def wait(connection: sqlite3.Connection, milliseconds: int) -> None:
    """Wait so long for other processes."""
    connection.execute(f"PRAGMA busy_timeout = {milliseconds}")


def schema_version(connection: sqlite3.Connection) -> int:
    """A number that SQLite changes with the schema, or when it writes the file anew."""
    found: int = connection.execute("PRAGMA schema_version").fetchone()[0]
    return found


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """See that a file is a ledger, with the schema that we gave it.

    Raises:
        BadInput: it is not.
    """
    with told_as_damage():
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != _APPLICATION_ID:
            raise BadInput(f"{path} is an SQLite file, but not a ledger")
        if version != FORMAT_VERSION:
            raise BadInput(
                f"ledger {path} has format {version}, this fedsift reads format {FORMAT_VERSION}: use the fedsift that "
                "wrote it; the ledger is as it was"
            )
        found = set(connection.execute(_OBJECTS))
        for kind, name, *_ in sorted(found - _objects(), key=repr):
            raise damaged(f"it has a {legible(str(kind))} {legible(str(name))} that is none of ours")
        for kind, name, *_ in sorted(_objects() - found, key=repr):
            raise damaged(f"its {kind} {name} is missing")


_OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"


@cache
def _objects() -> set[tuple[object, ...]]:
    """All that the schema of a ledger holds."""
    connection = sqlite3.connect(":memory:")
    make_schema(connection)
    found = set(connection.execute(_OBJECTS))
    connection.close()
    return found
