"""The commands that can be played again with other seeds and options, each with the figures of its result."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import unknown_name
from fedsift.core.options import Options, hyphened
from fedsift.core.tracking import Track
from fedsift.files.json_file import read_json
from fedsift.runs import run as simulation
from fedsift.runs.result import RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.scores import SCORES, Score
from fedsift.runtime.progress import PhaseBars
from fedsift.strategies.registry import METHODS, SIFT_MASKS, method_named
from fedsift.studies.comparison.compare import compare, default_methods
from fedsift.studies.comparison.comparison import Comparison

Figures = dict[str, dict[str, float]]  # row -> column -> number
Bars = Callable[[], PhaseBars]  # new ones, for each thing that is played
MEMBERS, NEWCOMERS = "members", "newcomers"  # columns of all commands
_OWN_ROWS = "served, own rows"  # newcomers' alone
_GAIN = "gain"
_AFTER, _LEFT = "members after", "leavers after"


@dataclass(frozen=True)
class Found:
    """What one playing came to."""

    figures: Figures
    metric: str  # of the scores
    held_out: bool  # whether they are on rows that nobody tuned on
    proven: bool = True  # as a single command's exit code says it
    chosen_on: int = 0  # members who chose settings, and are in no mean


class Command(ABC):
    """A command: what it takes, what it has figures of, and how it is played into a folder.

    Attributes:
        name: as people type it.
        rows: what a row of its table is.
        scores: columns of scores; the higher the better.
        counts: further columns, of numbers that are no scores.
        note: a line below its tables.
    """

    name: ClassVar[str]
    rows: ClassVar[str]
    scores: ClassVar[tuple[str, ...]]
    counts: ClassVar[tuple[str, ...]] = ()
    note: ClassVar[str]
    settings: ClassVar[tuple[type[Options], ...]] = (RunConfig,)

    @property
    def keys(self) -> list[str]:
        """The options that it takes, hyphened."""
        return [hyphened(name) for kind in self.settings for name in kind.options()]

    @property
    def terms(self) -> dict[str, Any]:
        """What else decides what is played, as JSON has it."""
        return {}

    def read(self, options: Mapping[str, Any]) -> Any:
        """All settings of one playing.

        Raises:
            BadInput: a key is unknown, or a value is not valid.
        """
        for key in options:
            if key not in self.keys:
                raise unknown_name("option", key, self.keys)
        return [
            kind.from_mapping({key: options[key] for key in map(hyphened, kind.options()) if key in options}, "options")
            for kind in self.settings
        ]

    @abstractmethod
    def score_rows(self) -> Collection[str]:
        """The rows that may decide a search, the usual one first."""

    @abstractmethod
    def play(self, options: Mapping[str, Any], folder: Path, bars: Bars, track: Track | None = None) -> None:
        """Play it; what a stopped playing left in the folder is gone on with, or replaced."""

    @abstractmethod
    def found(self, folder: Path) -> Found:
        """What the result in a folder says."""


class Run(Command):
    """`fedsift run`."""

    name, rows, scores = "run", "model", (MEMBERS, NEWCOMERS, _AFTER, _LEFT)
    note = "gain     served less the best that members have alone; newcomers: less zero-shot"

    def score_rows(self) -> Collection[str]:
        """All kinds of scores."""
        return ["served", _OWN_ROWS, *SCORES.values()]

    def play(self, options: Mapping[str, Any], folder: Path, bars: Bars, track: Track | None = None) -> None:
        """Simulate, or go on."""
        (config,) = self.read(options)
        if (folder / "config.toml").is_file() and config.engine == "ray":
            simulation.resume(folder, bars(), track)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            simulation.run(config, folder, bars(), track)

    def found(self, folder: Path) -> Found:
        """The rows and columns of the table that a run prints, and what is gained."""
        result = RunFolder(folder).read_result()
        assert result is not None
        return Found(_figures_of_run(result), result.metric, result.held_out, result.proven)


def _figures_of_run(result: RunResult) -> Figures:
    newcomers, after = result.newcomers, result.scores_after_removal or {}
    leavers = {removal.client for removal in result.removals if removal.client is not None}
    figures: Figures = {}
    for kind, title in [*SCORES.items(), ("served_own_rows", _OWN_ROWS)]:
        later = after[kind].per_client if kind in after else {}
        columns = {
            MEMBERS: _mean(result.scores.get(kind)),
            NEWCOMERS: _mean(getattr(newcomers, kind, None)),
            _AFTER: _mean_over([value for client, value in later.items() if client not in leavers]),
            _LEFT: _mean_over([value for client, value in later.items() if client in leavers]),
        }
        figures[title] = {column: value for column, value in columns.items() if value is not None}
    gains = {
        MEMBERS: result.members and (result.members.served, result.members.alone),
        NEWCOMERS: newcomers and (newcomers.served, newcomers.zero_shot),
        _AFTER: result.members_after_removal
        and (result.members_after_removal.served, result.members_after_removal.alone),
    }
    figures[_GAIN] = {
        column: pair[0].mean - pair[1].mean for column, pair in gains.items() if pair and pair[0] and pair[1]
    }
    return {row: columns for row, columns in figures.items() if columns}


class Compare(Command):
    """`fedsift compare`."""

    name, rows, scores = "compare", "method", (MEMBERS, NEWCOMERS, "stay", "left")
    note = "stay, left: after the removals, which are counted in client trainings"
    counts = ("first removal", "all removals", "of everybody", "bytes stored", "seconds")
    settings = (RunConfig, RoundSettings)

    def __init__(self, methods: Sequence[str] | None = None) -> None:
        for name in methods or ():
            method_named(name)
        self.methods = methods

    @property
    def terms(self) -> dict[str, Any]:
        """The methods, where they were given."""
        return {"methods": self.methods and list(self.methods)}

    def score_rows(self) -> Collection[str]:
        """The methods."""
        names = list(METHODS) if self.methods is None else list(self.methods)
        return [SIFT_MASKS, *names] if SIFT_MASKS in names else names

    def play(self, options: Mapping[str, Any], folder: Path, bars: Bars, track: Track | None = None) -> None:
        """Compare anew."""
        config, rounds = self.read(options)
        shutil.rmtree(folder, ignore_errors=True)
        methods = default_methods(rounds) if self.methods is None else self.methods
        compare(config, methods, folder, bars(), rounds, track)

    def found(self, folder: Path) -> Found:
        """The numbers of the tables that a comparison prints, by the methods' names."""
        result = read_json(folder / "result.json", Comparison, "delete its folder, and it is played again")
        figures: Figures = {}
        for each in result.baselines:
            figures[each.name] = _known({MEMBERS: _mean(each.members), NEWCOMERS: _mean(each.newcomers)})
        for row in result.methods:
            scores = (row.members_before, row.newcomers_before, row.members_after, row.leavers_after)
            trainings = (row.trainings[0], sum(row.trainings), row.trainings_of_all_removals)
            counts = (*trainings, row.storage_bytes, row.seconds)
            columns = (*self.scores, *self.counts)
            figures[row.name] = _known(dict(zip(columns, (*scores, *counts), strict=True)))
        return Found(figures, result.metric, result.held_out, chosen_on=len(result.chosen_on))


def _known(columns: Mapping[str, float | None]) -> dict[str, float]:
    return {column: value for column, value in columns.items() if value is not None}


def _mean(score: Score | None) -> float | None:
    return None if score is None else score.mean


def _mean_over(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
