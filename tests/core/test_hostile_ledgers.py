"""Ledgers that somebody edited, broke, or made a trap of: each is told in a finding or one line, whatever it is."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.audit import audit
from fedsift.core.content_hash import ContentHash
from fedsift.core.errors import BadInput, Refused
from fedsift.core.ledger import Ledger
from fedsift.core.ledger_file import COLUMNS, told_as_damage
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from fedsift.core.signing_key import public_key_of
from tests.core.uploads import terms, upload

SIZE = 16
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
TRAINING = Training(b"d" * 32, '{"torch": "2"}', 20, 0)
CONTENT = {**COLUMNS, "chunks": [*COLUMNS["chunks"], "data"], "journal": [*COLUMNS["journal"], "upload"]}
CONTENT["seal"] = ["content", "signature"]


def levels_of(client: int) -> list[int]:
    return random.Random(client).choices(range(4), k=SIZE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Members in the sums and in the journal, one tied to a node, a vote, and two receipts; every table has rows."""
    path = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    state = ServerState.create(path, terms(SIZE), 10, '{"steps": 3}', b"m" * 32, KEY)
    for client in range(5):
        state.merge(f"client {client}", upload(levels_of(client)), TRAINING, "key" if client == 3 else "")
    state.remove("client 0", upload(levels_of(0)), TRAINING)
    state.refuse("client 1", "why")
    for client in (5, 6):
        state.merge(f"client {client}", upload(levels_of(client)), TRAINING)
    state.blend = state.blend
    with state.ledger.transaction():
        state.ledger.set("mask_folder", 1)
    state.ledger.close()
    assert problems(path) == []
    with closing(sqlite3.connect(path)) as connection:
        for table in CONTENT:
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0, table
    return path


def problems(path: Path, key: Ed25519PrivateKey = KEY) -> list[str]:
    """What an audit by somebody who knows the key says; nothing else may come of it, whatever the file is."""
    try:
        with Ledger.open(path, read_only=True) as ledger:
            found = audit(ledger, public_key_of(key))
    except BadInput as error:
        return [str(error)]
    return [f"{finding.check}: {problem}" for finding in found for problem in finding.problems]


def edited(whole: Path, folder: Path, statement: str, *values: object) -> list[str]:
    copy = Path(shutil.copy(whole, folder / "copy.sqlite"))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(statement, values)
    return problems(copy)


def other_values(value: object) -> list[object]:
    """Of the same type, near and far, and of the others."""
    others: list[object] = [None, 0, 1, -1, 1 << 62, 0.5, "", "x", "\0", b"", b"x", bytes(32), '{"a": 1}', "[" * 9999]
    if isinstance(value, int):
        others += [value + 1, value - 1, str(value), float(value)]
    if isinstance(value, str):
        others += [value + " ", value[:-1], value.swapcase(), value.encode(), value + "\0", value[::-1]]
    if isinstance(value, bytes):
        flipped = bytearray(value)
        if value:
            flipped[len(value) // 2] ^= 1
        others += [bytes(flipped), value + b"\0", value[:-1], value.hex(), bytes(len(value))]
    return [each for each in others if each != value or type(each) is not type(value)]


@pytest.mark.parametrize("stride", [41, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_every_value_of_every_column(whole: Path, memory_disk: Path, stride: int) -> None:
    count, unseen = Counter[str](), []
    place = 0
    for table, columns in CONTENT.items():
        with closing(sqlite3.connect(whole)) as connection:
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
        for row in rows:
            same = " AND ".join(f"{name} = ?" for name in list(columns)[:2])
            for name, value in zip(columns, row, strict=True):
                for other in other_values(value):
                    place += 1
                    if place % stride:
                        continue
                    copy = Path(shutil.copy(whole, memory_disk / "copy.sqlite"))
                    with closing(sqlite3.connect(copy)) as connection:
                        change = f"UPDATE {table} SET {name} = ? WHERE {same}"
                        try:
                            with connection:
                                assert connection.execute(change, (other, *row[:2])).rowcount == 1
                                kept = f"SELECT count(*) FROM {table} WHERE {name} IS ? AND typeof({name}) = typeof(?)"
                                before = connection.execute(kept, (value, value)).fetchone()[0]
                        except sqlite3.IntegrityError:
                            continue  # There is such a row, or the column takes no NULL.
                    with closing(sqlite3.connect(whole)) as connection:
                        if connection.execute(kept, (value, value)).fetchone()[0] == before:
                            continue  # A column of numbers makes a number of its text.
                    count[table] += 1
                    if not problems(copy):
                        unseen.append((table, name, value, other))
            count["rows"] += 1
    print(f"{count.total()} edits of {count['rows']} rows, {len(unseen)} unseen: {dict(count)}")
    assert unseen == []


def test_rows_more_and_less(whole: Path, tmp_path: Path) -> None:
    for table, columns in CONTENT.items():
        assert edited(whole, tmp_path, f"DELETE FROM {table}"), table
        first = f"{next(iter(columns))} = (SELECT min({next(iter(columns))}) FROM {table})"
        assert edited(whole, tmp_path, f"DELETE FROM {table} WHERE {first}"), table
    for statement in (
        "INSERT INTO settings VALUES ('further', 1)",
        "INSERT INTO environments VALUES (zeroblob(32), '{}')",
        "INSERT INTO node_keys VALUES ('client 4', 'key')",
        "INSERT INTO node_keys VALUES ('nobody', 'key')",
        "INSERT INTO chunks VALUES ('level sum', 1, zeroblob(32), x'')",
        "INSERT INTO chunks VALUES ('further', 0, zeroblob(32), x'')",
        "INSERT INTO journal SELECT 'client 2', digest, upload FROM journal WHERE client_id = 'client 5'",
        "INSERT INTO receipts SELECT 3, body, previous, digest FROM receipts WHERE number = 2",
        "INSERT INTO seal SELECT * FROM seal",
    ):
        assert edited(whole, tmp_path, statement), statement


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE further (x)",
        "CREATE VIEW further AS SELECT * FROM members",
        "CREATE INDEX further ON members (steps)",
        "CREATE TRIGGER further AFTER DELETE ON members BEGIN INSERT INTO node_keys VALUES (old.client_id, ''); END",
        "CREATE TRIGGER further INSTEAD OF DELETE ON further BEGIN SELECT 1; END",
        "ALTER TABLE members ADD COLUMN further",
        "ALTER TABLE members RENAME COLUMN steps TO further",
        "CREATE TABLE sqlite_further (x)",
        "ANALYZE",
        "DROP TABLE node_keys",
        "CREATE VIRTUAL TABLE further USING fts5(x)",
        "PRAGMA user_version = 4",
        "PRAGMA application_id = 1",
    ],
)
def test_another_schema_is_not_opened(whole: Path, tmp_path: Path, statement: str) -> None:
    copy = Path(shutil.copy(whole, tmp_path / "copy.sqlite"))
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("CREATE VIEW further AS SELECT 1") if "INSTEAD" in statement else None
        connection.execute("PRAGMA writable_schema = ON") if "sqlite_further" in statement else None
        try:
            connection.execute(statement)
        except sqlite3.OperationalError:
            pytest.skip("SQLite itself refuses")
    before = copy.read_bytes()
    for read_only in (True, False):
        with pytest.raises(BadInput, match=r"damaged|format 4|not a ledger"):
            Ledger.open(copy, read_only)
    assert copy.read_bytes() == before


def test_a_trigger_that_comes_while_the_ledger_is_open_is_not_run(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(whole, tmp_path / "copy.sqlite"))
    state = ServerState(Ledger.open(copy, key=KEY))
    digest = state.digest()
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("VACUUM")  # The file anew, with the same schema: that is allowed.
        state.fold()
        keep = "INSERT INTO node_keys VALUES (old.client_id, hex(old.digest))"
        connection.execute(f"CREATE TRIGGER further AFTER DELETE ON members BEGIN {keep}; END")
    for _ in range(2):
        with pytest.raises(BadInput, match="it has a trigger further that is none of ours"):
            state.remove("client 3", upload(levels_of(3)), TRAINING)
    assert state.digest() == digest
    state.ledger.close()
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM node_keys").fetchone() == (1,)


def dump(path: Path) -> object:
    """All content as plain SQLite reads it; None where it cannot."""
    try:
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
            connection.text_factory = bytes
            tables = ["sqlite_master WHERE rootpage >= 0", *CONTENT]
            rows = [sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables]
            pragmas = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
            return rows, pragmas
    except (sqlite3.Error, ValueError):
        return None


@pytest.mark.parametrize("flips", [100, pytest.param(3000, marks=pytest.mark.exhaustive)])
def test_flipped_bits_of_the_file(whole: Path, memory_disk: Path, flips: int) -> None:
    """Each flip that changes content is seen, at random places, half of them of the bytes that are not zero."""
    chance, data, expected = random.Random(flips), whole.read_bytes(), dump(whole)
    used = [place for place, byte in enumerate(data) if byte]
    count, unseen = Counter[str](), []
    while count["content"] < flips:
        changed = bytearray(data)
        place = chance.choice(used) if count.total() % 2 else chance.randrange(len(data))
        changed[place] ^= 1 << chance.randrange(8)
        copy = memory_disk / "copy.sqlite"
        copy.write_bytes(changed)
        is_content = dump(copy) != expected
        seen = bool(problems(copy))
        count["content" if is_content else "seen, without content" if seen else "without content"] += 1
        if is_content and not seen:
            unseen.append(place)
    print(f"{count.total()} flips, {count['content']} of content, {len(unseen)} of these unseen: {dict(count)}")
    assert unseen == []


def test_who_seals_anew_has_no_signature(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(whole, tmp_path / "copy.sqlite"))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE members SET steps = 9 WHERE client_id = 'client 3'")
        found = ContentHash()
        for table, columns in COLUMNS.items():
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                found.add(table, row)
        connection.execute("UPDATE seal SET content = ?", (found.to_bytes(),))
    assert problems(copy) == ["seal: the seal is not signed by the ledger's key"]
    with pytest.raises(BadInput, match="does not have the signature of its key"):
        Ledger.open(copy, key=KEY)

    # With a key of his own, his seal is in order by itself: who knows the run's key sees it.
    other = Ed25519PrivateKey.generate()
    with closing(sqlite3.connect(copy)) as connection, connection:
        was = ("public_key", public_key_of(KEY))
        found.remove("settings", was)
        found.add("settings", ("public_key", public_key_of(other)))
        connection.execute("UPDATE settings SET value = ? WHERE key = ?", (public_key_of(other), "public_key"))
        connection.execute("UPDATE seal SET content = ?, signature = ?", (found.to_bytes(), other.sign(found.signed)))
    assert problems(copy, other) == []
    assert problems(copy)[0].startswith("seal: it is sealed with key")
    with pytest.raises(BadInput, match="bring the key back"):
        Ledger.open(copy, key=KEY)

    # Nor does it help to leave the signature out.
    with closing(sqlite3.connect(copy)) as connection, connection:
        found.remove("settings", ("public_key", public_key_of(other)))
        connection.execute("DELETE FROM settings WHERE key = 'public_key'")
        connection.execute("UPDATE seal SET content = ?, signature = x''", (found.to_bytes(),))
    assert problems(copy)[0].startswith("seal: it is not signed, not with key")
    with pytest.raises(BadInput, match="is not sealed with a key"):
        Ledger.open(copy, key=KEY)


def test_without_the_key_it_is_read_and_not_changed(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(whole, tmp_path / "copy.sqlite"))
    state = ServerState(Ledger.open(copy))
    with pytest.raises(BadInput, match="changed with that key only"):
        state.refuse("client 1", "why")
    state.ledger.close()
    assert problems(copy) == []


def test_a_state_that_is_past_changes_nothing(whole: Path, tmp_path: Path) -> None:
    """Two hold the sums in memory: the second to write would undo what the first did."""
    copy = Path(shutil.copy(whole, tmp_path / "copy.sqlite"))
    first, second = (ServerState(Ledger.open(copy, key=KEY)) for _ in range(2))
    first.remove("client 3", upload(levels_of(3)), TRAINING)
    digest = first.digest()
    for change in (
        lambda: second.merge("client 7", upload(levels_of(7)), TRAINING),
        lambda: second.refuse("client 2", "why"),
        second.fold,
        lambda: second.remove("client 2", upload(levels_of(2)), TRAINING),
    ):
        with pytest.raises(Refused, match="changed by another process"):
            change()
    assert second.digest() == digest  # What it had staged is undone, so it goes on from what there is.
    second.refuse("client 2", "why")
    for state in (first, second):
        state.ledger.close()
    again = ServerState(Ledger.open(copy, read_only=True))
    assert again.digest() == digest
    again.ledger.close()
    assert problems(copy) == []


def test_a_server_that_stays_scrubs_once_readers_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "patience", 50)
    path = tmp_path / "ledger.sqlite"
    state = ServerState.create(path, terms(SIZE), 10, key=KEY)
    state.merge("client 0", upload(levels_of(0)), TRAINING)
    state.fold()
    digest = state.members["client 0"].digest
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM members").fetchall()
        state.remove("client 0", upload(levels_of(0)), TRAINING)
        state.fold()
        assert state.ledger.owes_scrub
    state.fold()
    assert not state.ledger.owes_scrub
    assert digest not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
    state.ledger.close()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "second name", "folder", "pipe"])
def test_files_of_a_ledger_are_files_of_their_own(whole: Path, tmp_path: Path, suffix: str, kind: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "run"
    folder.mkdir()
    path = folder / "ledger.sqlite"
    shutil.copy(whole, path)
    shutil.copy(whole, outside)
    before = outside.read_bytes()
    trap = path.with_name(f"ledger.sqlite{suffix}")
    trap.unlink(missing_ok=True)
    {
        "link": lambda: trap.symlink_to(outside),
        "second name": lambda: trap.hardlink_to(outside),
        "folder": trap.mkdir,
        "pipe": lambda: subprocess.run(["mkfifo", trap], check=True),
    }[kind]()
    for read_only in (True, False):
        with pytest.raises(BadInput, match="take it away"):
            Ledger.open(path, read_only)
    assert outside.read_bytes() == before
    assert sorted(each.name for each in folder.iterdir()) == sorted({"ledger.sqlite", trap.name})


def test_a_disk_or_a_lock_in_the_way_is_no_damage(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError), told_as_damage():
        sqlite3.connect(tmp_path / "nowhere" / "ledger.sqlite")
    copy = shutil.copy(whole, tmp_path)
    first, second = (sqlite3.connect(copy, isolation_level=None, timeout=0) for _ in range(2))
    with closing(first), closing(second):
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"), told_as_damage():
            second.execute("BEGIN IMMEDIATE")


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Beside the block, members join and leave, sums are folded, and the ledger is opened and closed."""
    ServerState.create(path, terms(SIZE), 10, key=KEY).ledger.close()
    command = [sys.executable, "-m", "tests.core.work_on_ledger", path]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin is not None and worker.stdout is not None
    try:
        worker.stdout.readline()
        yield
        assert worker.poll() is None
    finally:
        worker.stdin.close()
        assert worker.wait(60) == 0
        worker.stdout.close()


@pytest.mark.parametrize("audits", [20, pytest.param(1000, marks=pytest.mark.exhaustive)])
def test_audits_beside_a_process_at_work(memory_disk: Path, audits: int) -> None:
    """Each sees one state of the ledger."""
    path = memory_disk / "ledger.sqlite"
    alarms, states = [], set()
    with at_work(path):
        for _ in range(audits):
            if found := problems(path):
                alarms.append(found)
            with Ledger.open(path, read_only=True) as ledger:
                states.add((len(ledger.members()), len(ledger.receipts())))
    print(f"{audits} audits beside a process at work, of {len(states)} states, {len(alarms)} false alarms")
    assert alarms == []
    assert len(states) > audits / 10
    assert list(memory_disk.iterdir()) == [path]


def as_guest(check: Callable[[], bool]) -> bool:
    """What a check says where it is made by somebody who may write nothing."""
    if os.geteuid():
        return check()
    child = os.fork()
    if not child:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that others than root may look into."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("audits", [20, pytest.param(1000, marks=pytest.mark.exhaustive)])
def test_audits_by_who_may_write_nothing(open_folder: Path, audits: int) -> None:
    if os.geteuid():
        pytest.skip("two users are needed")
    with at_work(open_folder / "ledger.sqlite"):
        assert as_guest(lambda: not any(problems(open_folder / "ledger.sqlite") for _ in range(audits)))
    print(f"{audits} audits by a guest beside a process at work, no false alarm")


def test_what_a_killed_process_left_is_read_where_nothing_may_be_written(whole: Path, open_folder: Path) -> None:
    path = Path(shutil.copy(whole, open_folder))
    child = os.fork()
    if not child:
        state = ServerState(Ledger.open(path, key=KEY))
        state.refuse("client 2", "why")
        os._exit(0)  # As a kill does, it leaves the log as it is.
    os.waitpid(child, 0)
    before = {each: each.read_bytes() for each in open_folder.iterdir()}
    assert len(before) == 3
    for each in before:
        each.chmod(0o444)
    open_folder.chmod(0o555)

    def found() -> bool:
        with Ledger.open(path, read_only=True) as ledger:
            return problems(path) == [] and len(ledger.receipts()) == 3

    assert as_guest(found)
    assert {each: each.read_bytes() for each in open_folder.iterdir()} == before
    open_folder.chmod(0o755)
