"""`fedsift optout` as a command that can be played again with other seeds."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.tracking import Track, Tracking
from fedsift.studies.optout import play_scenario as player
from fedsift.studies.optout.attacks import attack
from fedsift.studies.optout.scenario import Scenario
from fedsift.studies.optout.scenario_result import CheckedStep, Proof
from fedsift.studies.report import write_report
from fedsift.studies.report.outcome import read_outcome
from fedsift.studies.sweep.commands import MEMBERS, NEWCOMERS, Bars, Command, Figures, Found

_SCORES = {
    MEMBERS: "members",
    "worst tenth": "worst_decile",
    "alone": "alone",
    NEWCOMERS: "newcomers",
    "leavers": "leavers",
}
_MERGE, _END = "after the merge", "at the end"


@dataclass(frozen=True)
class OptOut(Command):
    """A scenario, and how it is played."""

    scenario: Scenario
    full_oracles: int = 10
    evaluate_every: int | None = None
    attacks: bool = False  # whether the leavers' examples are attacked, too
    methods: tuple[str, ...] | None = None  # that are attacked beside SIFT-Masks; the default ones for None

    name, rows, scores = "optout", "when, or method", tuple(_SCORES)
    counts = ("unlearned", "trainings")
    note = "trainings: of clients after the merge, to unlearn as many"
    settings = (RunConfig, RoundSettings)

    @property
    def terms(self) -> dict[str, Any]:
        """The scenario's text, and how often it is looked at."""
        return {
            "scenario": self.scenario.toml,
            "full-oracles": self.full_oracles,
            "evaluate-every": self.evaluate_every,
            "attacks": self.attacks,
            **({"methods": list(self.methods)} if self.methods is not None else {}),
        }

    def score_rows(self) -> Collection[str]:
        """The ends of the scenario."""
        return [_END, _MERGE]

    def play(self, options: Mapping[str, Any], folder: Path, bars: Bars, track: Track | None = None) -> None:
        """Play the scenario, or go on with it; attack; write the report."""
        config, rounds = self.read(options)
        shown, asked = bars(), (self.full_oracles, self.evaluate_every, rounds, self.attacks)
        with Tracking(track, shown.warn) as tracking:
            if (folder / "scenario.toml").is_file():
                player.resume(folder, shown, self.attacks, tracking)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                player.play(self.scenario, config, folder, shown, *asked, tracking)
            if self.attacks:
                attack(folder, bars(), self.methods)
            tracking.add_files(folder, write_report(folder))

    def found(self, folder: Path) -> Found:
        """Scores of what clients are served at both ends, and client trainings after the merge by method."""
        outcome = read_outcome(folder)
        scored = [step for step in outcome.steps if step.scores]
        ends = {_MERGE: scored[0], _END: scored[-1]} if scored else {}
        figures: Figures = {row: _scores(step) for row, step in ends.items()}
        for method, trainings in outcome.costs.items():
            figures[method] = {"unlearned": outcome.unlearned[-1], "trainings": trainings[-1]}
        result = outcome.result
        return Found(figures, result.metric, result.held_out, outcome.verdict == Proof.PROVEN)


def _scores(step: CheckedStep) -> dict[str, float]:
    found = {column: getattr(step.scores, name) for column, name in _SCORES.items()}
    return {column: value for column, value in found.items() if value is not None}
