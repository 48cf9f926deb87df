"""A run's folder: that of its ledger, with what is known of its rounds.

rounds.json     while the run is under way (`fedsift.federation.round_log`)
figures/        those of `fedsift figures`, until the run changes
"""

import shutil
import sqlite3
from pathlib import Path
from typing import Self

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, FedsiftError, unknown_name
from fedsift.core.ledger import Ledger
from fedsift.core.plain_files import check_plain
from fedsift.core.receipt import ReceiptBody
from fedsift.core.server_state import ServerState
from fedsift.files.json_file import read_json, write_json
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.result import RunResult

SCENARIO_FILE = "scenario.toml"  # is there where a scenario says who is a member


class RunFolder(LedgerFolder):
    """The files of one run, whose members may be changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rounds = path / "rounds.json"
        self.figures = path / "figures"

    @classmethod
    def open(cls, path: Path) -> tuple[Self, RunConfig]:
        """An existing run and its configuration.

        Raises:
            BadInput: it is no run folder, or that of a scenario, whose steps alone say who is a member.
        """
        opened = super().open(path)
        if (path / SCENARIO_FILE).exists():
            raise BadInput(
                f"{path} holds a scenario, which says itself who leaves and joins: go on with it by `fedsift optout "
                f"--resume {path}`, or make a run of its config.toml"
            )
        return opened

    def bring_up_to_date(self) -> None:
        """Let all files follow the ledger, whatever a process that was stopped left undone.

        Raises:
            BadInput: result.json is damaged; nothing is changed.
        """
        result = self.read_result()
        if self.ledger.exists():
            self.row_requests.settle(self.masks(), self.members())
        self.sweep()
        if result is not None:
            self.rounds.unlink(missing_ok=True)
        if not self.ledger.exists():
            return
        self.write_certificates()
        if result is None:
            return
        state = ServerState(Ledger.open(self.ledger, key=self.signing_key()))
        with state.ledger:
            known = {removal.receipt for removal in result.removals}
            further = [receipt.body for receipt in state.ledger.receipts() if receipt.number not in known]
            digest = state.digest().hex()
        if further or digest != result.state_digest:
            self.delete_figures()
            self.write_result(result.after(further, digest))

    def delete_figures(self) -> None:
        """Delete figures: the run is another than they show."""
        check_plain(self.figures, folder=True)
        shutil.rmtree(self.figures, ignore_errors=True)

    def catch_up(self) -> list[str]:
        """`bring_up_to_date` after a removal that stands, whatever happens now; returns what could not be done."""
        late = []
        try:
            self.bring_up_to_date()
        except (FedsiftError, OSError, sqlite3.Error) as error:
            late.append(f"certificates, masks and result are not up to date ({error})")
        if self.owes_scrub():
            late.append("old pages of the ledger are not overwritten: another process reads it")
        return late

    def receipts(self) -> list[ReceiptBody]:
        """What the receipts of the ledger say."""
        with Ledger.open(self.ledger, read_only=True) as ledger:
            return [receipt.body for receipt in ledger.receipts()]

    def why_no_member(self, client_id: str) -> str:
        """Why an id is no member's. Of a client that has left, no other is named: it is not to be meant instead."""
        for body in reversed(self.receipts()):
            if body.client == client_id and body.verdict.removed:
                return f"client {client_id!r} has left already, by receipt {body.number}"
        return str(unknown_name("member", client_id, self.members()))

    def write_result(self, result: RunResult) -> None:
        """Write result.json: the run is over."""
        write_json(self.result, result, indent=1)
        self.rounds.unlink(missing_ok=True)

    def read_result(self) -> RunResult | None:
        """What result.json holds, None where the run did not come to its end.

        Raises:
            BadInput: it is damaged.
        """
        if not self.result.exists():
            return None
        mend = f"delete it; forget and join do without it, and `fedsift run --resume {self.path}` makes it anew"
        return read_json(self.result, RunResult, mend)
