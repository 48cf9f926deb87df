"""A scenario's folder: that of its ledger, with the scenario and what is known of its steps.

scenario.toml   the scenario
steps.json      while it is being played (`step_log`)
attacks.partial while it is being attacked: trainings, the leavers' among them
"""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.plain_files import PARTIAL, check_plain
from fedsift.files.json_file import read_json, write_json
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.run_folder import SCENARIO_FILE
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.optout.step_log import mend


class ScenarioFolder(LedgerFolder):
    """The files of one scenario."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.scenario = path / SCENARIO_FILE
        self.steps = path / "steps.json"
        self._trainings = path / f"attacks{PARTIAL}"

    @classmethod
    def open(cls, path: Path) -> tuple[Self, RunConfig]:
        """An existing scenario and its configuration.

        Raises:
            BadInput: it holds no scenario.
        """
        folder, config = super().open(path)
        if not folder.scenario.is_file():
            raise BadInput(f"{path} holds no scenario: it has no {SCENARIO_FILE}")
        return folder, config

    @contextmanager
    def locked(self, leaving: Collection[str] | None = ()) -> Iterator[None]:
        """As of any ledger's folder; what attacks that were killed left behind is deleted."""
        with super().locked(leaving):
            shutil.rmtree(self._trainings, ignore_errors=True)
            yield

    @contextmanager
    def trainings(self) -> Iterator[Path]:
        """A folder for trainings, which goes at the end, or, after a kill, with the next `locked`."""
        check_plain(self._trainings, folder=True)
        self._trainings.mkdir()
        try:
            yield self._trainings
        finally:
            shutil.rmtree(self._trainings)

    def write_result(self, result: ScenarioResult) -> None:
        """Write result.json: the scenario is over."""
        write_json(self.result, result, indent=1)
        self.steps.unlink(missing_ok=True)

    def read_result(self) -> ScenarioResult | None:
        """What result.json holds, None where the scenario was not played to its end.

        Raises:
            BadInput: it is damaged.
        """
        return read_json(self.result, ScenarioResult, mend(self.path)) if self.result.exists() else None
