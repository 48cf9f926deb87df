"""A member's request to have rows of its own forgotten: written down before it begins, settled once it has a receipt.

forgotten-rows.json    rows that are left out of the run's data (`fedsift.core.forgotten_rows`)
asked-rows.json        the same with the last request: what counts, if the ledger has its receipt
masks/aside/           the mask of the training without these rows
"""

import shutil
from collections.abc import Collection
from pathlib import Path

from fedsift.core.forgotten_rows import ForgottenRows
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import aside
from fedsift.core.plain_files import check_plain
from fedsift.core.receipt import Verdict
from fedsift.files.output import write_whole


class RowRequests:
    """The files of a run's requests."""

    def __init__(self, run: Path, ledger: Path) -> None:
        self._settled, self._asked, self._ledger = run / "forgotten-rows.json", run / "asked-rows.json", ledger

    @property
    def file(self) -> str:
        """Which file says what is left out now; empty where no row is."""
        for each in (self._settled, self._asked):
            check_plain(each)
        if self._is_done(ForgottenRows.read(self._asked)):
            return str(self._asked)
        return str(self._settled) if self._settled.exists() else ""

    def begin(self, client_id: str, digests: frozenset[str]) -> str:
        """Write a request down; returns the file that says what is left out once it is done."""
        with Ledger.open(self._ledger, read_only=True) as ledger:
            receipts = len(ledger.receipts())
        asking = ForgottenRows.read(self._settled).asking(client_id, digests, receipts)
        write_whole(self._asked, asking.text())
        return str(self._asked)

    def settle(self, masks: Path, members: Collection[str]) -> None:
        """Let all files follow the ledger: the request is done, or it never was.

        What is left out of who is no member any more is not kept: nothing of it is, and should it join again, it joins
        with the data that it has then.
        """
        asked = ForgottenRows.read(self._asked)
        if self._is_done(asked):
            for file in aside(masks).iterdir():
                file.replace(masks / file.name)
            settled = asked.settled()
        else:
            settled = ForgottenRows.read(self._settled)
            if asked.asked:
                self._asked.unlink()
        shutil.rmtree(masks / "aside", ignore_errors=True)
        settled = settled.of(members)
        # The file of a request stays beside the other: who has opened the run may read it still.
        for file in (self._settled, self._asked):
            if not settled.rows:
                file.unlink(missing_ok=True)
            elif (file.exists() or file == self._settled) and ForgottenRows.read(file) != settled:
                write_whole(file, settled.text())

    def _is_done(self, asked: ForgottenRows) -> bool:
        if not asked.asked or not self._ledger.exists():
            return False
        with Ledger.open(self._ledger, read_only=True) as ledger:
            later = [receipt.body for receipt in ledger.receipts()[asked.receipts :]]
        return any(body.verdict == Verdict.ROWS_BIT_EXACT and body.client in asked.asked for body in later)
