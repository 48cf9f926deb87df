"""What a comparison found, and the files that it leaves behind."""

import csv
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from fedsift.files.json_file import write_json


@dataclass(frozen=True)
class MethodRow:
    """One method, with scores in the mean over clients; None where there is nobody.

    Attributes:
        name: of the method.
        title: in tables.
        exact: as the method's authors mean it.
        members_before: of all members, before the removals.
        members_after: of those who stay, after them.
        leavers_before: of those who leave, before.
        leavers_after: of the same, after, when they are members no more.
        newcomers_before: of clients that never join, before.
        newcomers_after: of the same, after.
        trainings_of_all_removals: client trainings of removing all members one by one, by the method's formula.
        storage_bytes: by the method's formula.
        state_digest: after the removals.
        exact_in_bits: whether that is the digest of the run that the leavers never joined.
        differing_entries: the share of what is served in which the two differ; None where it was not looked at.
        distance_left: of the distance to that run before the removals, how much is left; None where there is none.
        trainings: client trainings of each removal.
        steps: optimiser steps of these.
        seconds: of rounds, evaluations and removals.
        hyper_parameters: that a search found.
        validation_scorings: models scored to find them.
    """

    name: str
    title: str
    exact: bool
    members_before: float | None
    members_after: float | None
    leavers_before: float | None
    leavers_after: float | None
    newcomers_before: float | None
    newcomers_after: float | None
    trainings_of_all_removals: int
    storage_bytes: int
    state_digest: str
    exact_in_bits: bool
    differing_entries: float | None
    distance_left: float | None
    trainings: list[int]
    steps: list[int]
    seconds: float
    hyper_parameters: dict[str, float]
    validation_scorings: int


@dataclass
class Comparison:
    """Methods side by side.

    Attributes:
        clients: number of members before anybody leaves.
        newcomers: number of clients that never join.
        leavers: who leaves, in this order.
        metric: of the scores.
        tuned_parameters: n.
        methods: a row for each.
    """

    clients: int
    newcomers: int
    leavers: list[str]
    metric: str
    tuned_parameters: int
    methods: list[MethodRow] = field(default_factory=list)

    def write(self, out: Path) -> None:
        """Write `result.json` and `methods.csv`."""
        write_json(out / "result.json", self, indent=1)
        with (out / "methods.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [each.name for each in dataclasses.fields(MethodRow)])
            writer.writeheader()
            writer.writerows(map(dataclasses.asdict, self.methods))
