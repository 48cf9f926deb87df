"""What is known of the steps of a scenario that have been played, in one file that is written whole.

The ledger holds the state; this file holds what the ledger does not: scores, traffic, and the oracles' digests. It lies
in the folder while the scenario is being played, and makes it go on after any stop.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from fedsift.core.errors import BadInput
from fedsift.files.json_file import read_json
from fedsift.files.output import write_whole

STEPS_FILE = "steps.json"
MEND = "bring back a copy, or play the scenario anew into another folder"  # a damaged file of a scenario


class Step(TypedDict):
    """A step that is over, as later commands read it."""

    step: int
    members: int
    asked: list[str]
    left: list[str]
    joined: list[str]
    refused: dict[str, str]
    offline: list[str]
    failures: dict[str, str]
    state_digest: str
    trainings: int
    steps_retrained: int
    bytes_up: int
    seconds: float
    scores: dict[str, float | None] | None


class LoggedStep(Step):
    """The same, with the length of the log of receipts after it."""

    receipts: int


class ScenarioResult(TypedDict):
    """result.json of a scenario, as far as later commands read it; reports look closer."""

    held_out: int
    steps: list[Step]
    verdict: str


@dataclass
class StepLog:
    """The file's content.

    Attributes:
        held_out, full_oracles, evaluate_every: as `optout.play` was asked for.
        steps: those that are over.
        reruns: of the step under way, written before its removals are committed: client -> bytes of its upload,
            optimiser steps of its training.
        first_scores: member -> what it scored at step 0; a client that leaves is taken out.
        by_influence: all clients, the most influential first; empty until the merge has been looked at.
        mask_bytes: mean size of a member's mask file after the merge.
        server_bytes: of both sums.
        oracles: "incremental" and "full" -> step -> state digest.
    """

    held_out: int
    full_oracles: int
    evaluate_every: int | None
    steps: list[LoggedStep] = field(default_factory=list)
    reruns: dict[str, tuple[int, int]] = field(default_factory=dict)
    first_scores: dict[str, float] = field(default_factory=dict)
    by_influence: list[str] = field(default_factory=list)
    mask_bytes: float = 0.0
    server_bytes: int = 0
    oracles: dict[str, dict[str, str]] = field(default_factory=lambda: {"incremental": {}, "full": {}})

    @classmethod
    def read(cls, folder: Path) -> "StepLog":
        """The log in a folder.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        file = folder / STEPS_FILE
        if not file.is_file():
            raise BadInput(f"{folder} holds no scenario under way: it has no {STEPS_FILE}")
        return cls(**read_json(file, cls, MEND))

    def write(self, folder: Path) -> None:
        """Write it; a reader finds the old file or the new one."""
        write_whole(folder / STEPS_FILE, json.dumps(vars(self)))

    @property
    def receipts(self) -> int:
        """Receipts written up to the last step that is over."""
        return int(self.steps[-1]["receipts"]) if self.steps else 0


def members_after(steps: Iterable[Mapping[str, Any]]) -> set[str]:
    """Who is a member after some steps, the first of which is step 0."""
    members: set[str] = set()
    for step in steps:
        members.update(step["joined"])
        members.difference_update(step["left"])
    return members


def who_left(steps: Sequence[Mapping[str, Any]]) -> set[str]:
    """Who has left in some steps and not come back."""
    return {client_id for step in steps for client_id in step["left"]} - members_after(steps)
