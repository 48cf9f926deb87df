import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedsift.core.contribution import Contribution
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from tests.core.kill_ledgers import CLIENTS, NEVER_LEAVE, SIZE, TRAINING, UPLOADS, work
from tests.core.uploads import terms


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_killed_anywhere_it_ends_as_if_undisturbed(memory_disk: Path, kills: int) -> None:
    command = [sys.executable, "-m", "tests.core.kill_ledgers", str(memory_disk), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= kills


def test_a_ledger_at_rest_is_one_file_and_can_be_changed_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    work(path)
    assert [*tmp_path.iterdir()] == [path]
    Ledger.open(path, read_only=True).close()
    assert [*tmp_path.iterdir()] == [path]
    reader = Ledger.open(path, read_only=True)
    state = ServerState(Ledger.open(path))
    state.remove("client 2", UPLOADS["client 2"], TRAINING)
    state.ledger.close()
    assert "client 2" not in reader.members()
    reader.close()
    Ledger.open(path).close()
    assert [*tmp_path.iterdir()] == [path]


def test_reopening_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    state = ServerState.create(path, terms(SIZE), CLIENTS)
    for client in NEVER_LEAVE[:3]:
        state.merge(client, UPLOADS[client])
    again = ServerState(Ledger.open(path))  # The journal is not folded yet.
    assert again.digest() == state.digest()
    assert again.members == state.members
    assert again.terms == state.terms


def training_of(client: str) -> Training:
    return Training(client.encode().ljust(32, b"!"), "{}", 20, 0)


def test_nothing_of_a_removed_client_is_left_in_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    state = ServerState.create(path, terms(SIZE), CLIENTS)
    for client, data in UPLOADS.items():
        state.merge(client, data, training_of(client), f"key of {client}")
    member, sent = state.members["client 4"], UPLOADS["client 4"]
    secrets = [member.digest, member.digest.hex().encode(), member.mask_digest, member.data_digest, b"key of client 4"]
    secrets += [member.checksums, sent[80:180], sent[-100:]]  # of its mask, of its levels

    def found() -> list[bytes]:
        data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        return [secret for secret in secrets if secret in data]

    assert len(found()) == len(secrets) - 1  # All but the hexadecimal digest, which is nowhere.
    state.remove("client 4", UPLOADS["client 4"], training_of("client 4"))
    assert found() == []
    data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert data.count(b"client 4") == 1  # in its receipt
    assert state.ledger.node_key("client 4") == ""
    assert state.ledger.node_key("client 3") == "key of client 3"
    state.ledger.close()
    assert found() == []


def test_there_are_no_free_pages(tmp_path: Path) -> None:
    """An audit reads what is stored, and free pages are not: none is left, and nothing of who left."""
    path = tmp_path / "ledger.sqlite"
    state = ServerState.create(path, terms(SIZE), CLIENTS)
    for client, data in UPLOADS.items():
        state.merge(client, data, training_of(client))
    for client in UPLOADS:
        state.remove(client, UPLOADS[client], training_of(client))
    state.ledger.close()
    data = path.read_bytes()
    assert [int.from_bytes(data[place : place + 4], "big") for place in (32, 36)] == [0, 0]  # the list of free pages
    assert not any(upload in data for upload in UPLOADS.values())


def test_other_files_are_no_ledgers(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database", encoding="utf-8")
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE t (x)")
    work(tmp_path / "another.sqlite")
    connection = sqlite3.connect(tmp_path / "another.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for name, message in (
        ("missing", "there is no ledger"),
        ("text", "not a ledger"),
        ("other.sqlite", "not a ledger"),
        ("another.sqlite", "format 99, this fedsift reads format 3: use the fedsift that wrote it"),
    ):
        with pytest.raises(BadInput, match=message):
            Ledger.open(tmp_path / name)
    with pytest.raises(BadInput, match="exists already"):
        ServerState.create(tmp_path / "another.sqlite", terms(SIZE), 1)


def test_a_failing_disk_leaves_memory_and_file_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ServerState.create(tmp_path / "ledger.sqlite", terms(SIZE), CLIENTS)
    for client in ("client 1", "client 2"):
        state.merge(client, UPLOADS[client])
    digest = state.digest()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    state.stage_removal("client 1", UPLOADS["client 1"])
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append_receipt", full)
        with pytest.raises(sqlite3.OperationalError):
            state.commit_removals()
    assert state.digest() == digest
    assert sorted(state.members) == ["client 1", "client 2"]
    assert state.remove("client 1", UPLOADS["client 1"]).number == 1


def test_a_fold_gives_the_room_of_the_journal_back(tmp_path: Path) -> None:
    """At rest a ledger of a few large members is its sums, whoever left in between."""
    size = 1 << 20
    wide = terms(size, head=None)
    state = ServerState.create(tmp_path / "ledger.sqlite", wide, capacity=9)
    uploads = [Contribution.from_levels(np.full(size, level, np.uint8), wide).to_bytes() for level in (1, 2)]
    for index, each in enumerate(uploads):
        state.merge(f"client {index}", each)
    state.fold()
    state.remove("client 0", uploads[0])
    state.ledger.close()
    assert 0 <= (tmp_path / "ledger.sqlite").stat().st_size - state.sums.nbytes < 0.03 * state.sums.nbytes


def test_a_ledger_in_memory_holds_no_second_copy() -> None:
    """And so nobody can take up a state from it."""
    state = ServerState.create(None, terms(4, head=None), capacity=2)
    state.merge("client 0", Contribution.from_levels(np.array([1, 0, 2, 0]), terms(4, head=None)).to_bytes())
    state.fold()
    assert not list(state.ledger.journal())
    with pytest.raises(BadInput, match="chunk 0 of the level sum is missing"):
        ServerState(state.ledger)
