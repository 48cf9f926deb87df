"""One wrong bit anywhere in what is stored, and the audit says so."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsift.core.audit import audit
from fedsift.core.ledger import Ledger
from fedsift.core.member import Training
from fedsift.core.receipt import receipt_digest
from fedsift.core.server_state import ServerState
from tests.core.uploads import HEAD, terms, upload

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
    for client in ("client 0", "client 1"):
        state.remove(client, uploads[client], TRAINING)
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
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def read(path: Path, query: str, *values: object) -> tuple[Any, ...]:
    """The first row."""
    with closing(sqlite3.connect(path)) as connection:
        row: tuple[Any, ...] = connection.execute(query, values).fetchone()
    return row


@pytest.mark.parametrize("name", ["level sum", "mask count", *HEAD.vectors()])
@pytest.mark.parametrize("stride", [37, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_every_bit_of_the_sums(ledger: Path, stride: int, name: str, tmp_path: Path) -> None:
    (data,) = read(ledger, "SELECT data FROM chunks WHERE sum = ?", name)
    assert problems(ledger) == []
    for bit in range(0, 8 * len(data), stride):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        copy = Path(shutil.copy(ledger, tmp_path / "copy.sqlite"))
        change(copy, "UPDATE chunks SET data = ? WHERE sum = ?", bytes(changed), name)
        assert any(problem.startswith(f"checksums: the {name}") for problem in problems(copy))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM members WHERE client_id = 'client 3'", "checksums"),
        ("DELETE FROM members WHERE client_id = 'client 8'", "journal"),
        (
            "INSERT INTO members SELECT 'twin', digest, mask_digest, checksums, data_digest, "
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
        ("DELETE FROM chunks WHERE sum = 'level sum'", "its terms and capacity make it"),
    ],
)
def test_other_damage(ledger: Path, statement: str, told: str) -> None:
    change(ledger, statement)
    found = problems(ledger)
    assert any(told in problem for problem in found), found


def test_a_receipt_cannot_be_changed_with_its_own_hash(ledger: Path) -> None:
    """Rehashing the changed receipt breaks the link of the next, or the recorded head."""
    body, previous = read(ledger, "SELECT body, previous FROM receipts WHERE number = 2")
    forged = body.replace("client 1", "client 5")
    digest = receipt_digest(previous, forged)
    change(ledger, "UPDATE receipts SET body = ?, digest = ? WHERE number = 2", forged, digest)
    assert problems(ledger) == [
        "receipts: the log does not end with the receipt recorded as the last",
        "seal: the content is not that which was sealed",
    ]
