"""A run with something of everything: two clients leave, two more are refused, one can never train.

The two that are refused have other data than they were merged with from the second round on.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.serverapp import Grid

from fedsift.core.ledger import Ledger
from fedsift.federation.round_log import LoggedRounds
from fedsift.runs.result import RunResult

LEAVERS = ("client 2", "client 3", "client 4", "client 5")
MODULE = "drifting_rows"
DATASET = f"{MODULE}:clients"
CODE = """
from pathlib import Path

DRIFTED = Path(__file__).with_name("drifted")

class Clients:
    client_ids = [f"client {number}" for number in range(8)]

    def train_examples(self, client_id):
        rows = self.test_examples(client_id)
        if client_id == "client 1":
            raise OSError("no data here")
        if client_id == "client 3" and DRIFTED.exists():
            return rows[:-1]
        if client_id == "client 5" and DRIFTED.exists():
            raise OSError("no data any more")
        return rows

    def test_examples(self, client_id):
        return [(f"Q: q{row}?\\\\nA:", f" {chr(97 + int(client_id[-1])) * 3}{row}") for row in range(3)]

clients = Clients
"""


def write_code(folder: Path) -> Path:
    """Put the data's module into a folder; returns the file at whose being there the data are others."""
    (folder / f"{MODULE}.py").write_text(CODE, encoding="utf-8")
    return folder / "drifted"


def drift_in_the_second_round(patch: pytest.MonkeyPatch, drifted: Path) -> None:
    """Change the data when the second round begins, in whichever session of the run that is."""
    configure_train = LoggedRounds.configure_train

    def drifting(
        rounds: LoggedRounds, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        if rounds.rounds:
            drifted.touch()
        return configure_train(rounds, server_round, arrays, config, grid)

    patch.setattr(LoggedRounds, "configure_train", drifting)


def numbers(result: RunResult | dict[str, Any]) -> dict[str, Any]:
    """All that a result, or result.json, tells of what was computed; not how long it took and how much memory."""
    result = dataclasses.asdict(result) if isinstance(result, RunResult) else result
    return {key: value for key, value in result.items() if key not in ("seconds", "server_peak_memory_bytes")}


def left_behind(out: Path) -> dict[str, Any]:
    """What lies in a run's folder: its files, and receipts but for their time."""
    ledger = Ledger.open(out / "ledger.sqlite")
    receipts = [receipt.body.values() for receipt in ledger.receipts()]
    config = json.loads(ledger.get("config"))
    ledger.close()
    return {
        "files": sorted(str(file.relative_to(out)) for file in out.rglob("*")),
        "receipts": [{key: value for key, value in body.items() if key != "time"} for body in receipts],
        "config": config,
    }
