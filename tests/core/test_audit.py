"""One wrong bit anywhere in what is stored, and the audit says so."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from fedsift.core.audit import audit
from fedsift.core.ledger import Ledger
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from tests.core.uploads import terms, upload

SIZE = 16
TRAINING = Training(b"d" * 32, '{"torch": "2"}', 20, 0)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Seven members, two of them in the journal, and two receipts."""
    path = tmp_path / "ledger.sqlite"
    levels = random.Random(5)
    state = ServerState.create(path, terms(SIZE), capacity=10)
    uploads = {f"client {i}": upload([levels.randint(0, 3) for _ in range(SIZE)]) for i in range(9)}
    for client in list(uploads)[:7]:
        state.merge(client, uploads[client], TRAINING)
    state.remove("client 0", uploads["client 0"], TRAINING)
    state.remove("client 1", uploads["client 1"], TRAINING)
    for client in list(uploads)[7:]:
        state.merge(client, uploads[client])
    state.ledger.close()
    return path


def problems(path: Path) -> list[str]:
    opened = Ledger.open(path, read_only=True)
    found = [f"{finding.check}: {problem}" for finding in audit(opened) for problem in finding.problems]
    opened.close()
    return found


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute(statement, values).rowcount == 1
    connection.commit()
    connection.close()


def test_a_sound_ledger_passes(ledger: Path) -> None:
    assert problems(ledger) == []


@pytest.mark.parametrize("name", ["level sum", "mask count"])
@pytest.mark.parametrize("stride", [37, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_every_bit_of_the_sums(ledger: Path, stride: int, name: str, tmp_path: Path) -> None:
    connection = sqlite3.connect(ledger)
    data = connection.execute("SELECT data FROM chunks WHERE sum = ?", (name,)).fetchone()[0]
    connection.close()
    for bit in range(0, 8 * len(data), stride):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        copy = shutil.copy(ledger, tmp_path / "copy.sqlite")
        change(Path(copy), "UPDATE chunks SET data = ? WHERE sum = ?", bytes(changed), name)
        assert any(problem.startswith(f"checksums: the {name}") for problem in problems(Path(copy)))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM members WHERE client_id = 'client 3'", "checksums"),
        ("DELETE FROM members WHERE client_id = 'client 8'", "journal"),
        (
            "INSERT INTO members SELECT 'twin', digest, mask_digest, level_checksum, mask_checksum, data_digest, "
            "environment, steps, upload_bytes, saturated FROM members WHERE client_id = 'client 3'",
            "checksums",
        ),
        ("UPDATE members SET client_id = 'client 99' WHERE client_id = 'client 3'", "seal"),
        ("UPDATE members SET digest = zeroblob(32) WHERE client_id = 'client 3'", "seal"),
        ("UPDATE members SET data_digest = zeroblob(32) WHERE client_id = 'client 3'", "seal"),
        ("UPDATE members SET steps = 1 WHERE client_id = 'client 3'", "seal"),
        ("UPDATE receipts SET body = replace(body, 'BIT_EXACT', 'REFUSED') WHERE number = 1", "receipt 1 was changed"),
        ("UPDATE receipts SET digest = zeroblob(32) WHERE number = 2", "receipt 2 was changed"),
        ("DELETE FROM receipts WHERE number = 1", "receipt 1 is missing"),
        ("DELETE FROM receipts WHERE number = 2", "does not end with the receipt recorded as the last"),
        ("DELETE FROM journal WHERE client_id = 'client 8'", "checksums"),
        ("UPDATE journal SET upload = zeroblob(50) WHERE client_id = 'client 8'", "journal"),
        ("DELETE FROM chunks WHERE sum = 'level sum'", "is missing or has the wrong size"),
        ("DELETE FROM settings WHERE key = 'seal'", "seal: it is missing"),
    ],
)
def test_other_damage(ledger: Path, statement: str, told: str) -> None:
    change(ledger, statement)
    found = problems(ledger)
    assert any(told in problem for problem in found), found


def test_a_receipt_cannot_be_changed_with_its_own_hash(ledger: Path) -> None:
    """Rehashing the changed receipt breaks the link of the next, or the recorded head."""
    from fedsift.core.receipt import receipt_digest

    connection = sqlite3.connect(ledger)
    body, previous = connection.execute("SELECT body, previous FROM receipts WHERE number = 2").fetchone()
    connection.close()
    forged = body.replace("client 1", "client 5")
    digest = receipt_digest(previous, forged)
    change(ledger, "UPDATE receipts SET body = ?, digest = ? WHERE number = 2", forged, digest)
    assert problems(ledger) == ["receipts: the log does not end with the receipt recorded as the last"]
