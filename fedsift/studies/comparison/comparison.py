"""What a comparison found, and the files that it leaves behind."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsift.core.virtual_clock import Spent
from fedsift.files.csv_cells import csv_text
from fedsift.files.json_file import write_json
from fedsift.files.output import write_whole
from fedsift.runs.scores import Score


@dataclass(frozen=True)
class MethodRow:
    """One method, with scores in the mean over clients; None where there is nobody."""

    name: str
    title: str  # in tables
    exact: bool  # as the method's authors mean it
    members_before: float | None  # of all members, before the removals
    members_low: float | None  # 95% over clients
    members_high: float | None
    better_than_alone: int | None  # members with a higher score than alone, before the removals
    worse_than_alone: int | None
    members_after: float | None  # of those who stay, after them
    leavers_before: float | None
    leavers_after: float | None  # when they are members no more
    newcomers_before: float | None  # of clients that never join
    newcomers_low: float | None
    newcomers_high: float | None
    newcomers_after: float | None
    trainings_of_all_removals: int  # client trainings of removing all members one by one, by the method's formula
    storage_bytes: int  # by the method's formula
    state_digest: str  # after the removals
    exact_in_bits: bool  # whether that is the digest of the run that the leavers never joined
    differing_entries: float | None  # the share of what is served in which the two differ; None: it was not looked at
    distance_left: float | None  # of the distance to that run before the removals; None where there is none
    trainings: list[int]  # client trainings of each removal
    steps: list[int]  # optimiser steps of these
    first: Spent  # on the virtual clock, by the first training of all members
    removals: Spent  # by all removals, one after the other
    seconds: float  # of rounds, evaluations and removals
    hyper_parameters: dict[str, float]  # that a search found
    validation_scorings: int  # models scored to find them


@dataclass(frozen=True)
class Baseline:
    """What clients have without a federation; None where nobody has it."""

    name: str
    title: str  # in tables
    members: Score | None  # of all members, before the removals
    newcomers: Score | None  # of clients that never join


@dataclass
class Comparison:
    """Methods side by side."""

    clients: int  # number of members before anybody leaves
    newcomers: int  # number of clients that never join
    leavers: list[str]  # who leaves, in this order
    metric: str  # of the scores
    tuned_parameters: int  # n
    held_out: bool  # whether scores are on rows that nobody tuned on
    # members on whose scores settings were chosen, and who are in no mean but the leavers'; empty where nothing was
    # chosen, or where too few others were left
    chosen_on: list[str] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)  # zero-shot, majority label, alone
    methods: list[MethodRow] = field(default_factory=list)  # a row for each

    def rows(self) -> list[dict[str, Any]]:
        """A number a cell; the first rows are the baselines, which have fewer cells."""
        return [*map(_as_row, self.baselines), *map(_tidy, self.methods)]

    def write(self, out: Path) -> None:
        """Write `result.json` and `methods.csv`."""
        write_json(out / "result.json", self, indent=1)
        rows = self.rows()
        names = list(dict.fromkeys(name for row in reversed(rows) for name in row))
        write_whole(out / "methods.csv", csv_text([names, *([row.get(name) for name in names] for row in rows)]))


def _tidy(row: MethodRow) -> dict[str, Any]:
    """A method's row: of each removal's numbers the first and all, and a column for each part of what has parts."""
    cells: dict[str, Any] = {}
    for name, value in dataclasses.asdict(row).items():
        if isinstance(value, dict):
            cells |= {f"{name}_{part}": number for part, number in value.items()}
        elif isinstance(value, list):
            cells |= {f"{name}_first_removal": value[0], f"{name}_all_removals": sum(value)}
        else:
            cells[name] = value
    return cells


def _as_row(baseline: Baseline) -> dict[str, str | float]:
    """A baseline under the columns of a method."""
    row: dict[str, str | float] = {"name": baseline.name, "title": baseline.title}
    for part, score in (("members", baseline.members), ("newcomers", baseline.newcomers)):
        if score:
            row |= {f"{part}_before": score.mean, f"{part}_low": score.low, f"{part}_high": score.high}
    return row
