"""What is known of the steps of a scenario that have been played, in one file that is written whole.

The ledger holds the state; this file holds what the ledger does not: scores, traffic, and the oracles' digests. It lies
in the folder while the scenario is being played, and makes it go on after any stop.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedsift.files.json_file import read_json, write_json


def mend(folder: Path) -> str:
    """What to do about a file of a scenario that cannot be read."""
    return (
        "bring back a copy, take the version of fedsift that wrote it, or play the scenario anew: "
        f"fedsift optout {shlex.quote(str(folder / 'scenario.toml'))} --out ANOTHER, with the options that it had"
    )


@dataclass(frozen=True)
class StepScores:
    """Mean scores after a step; None where there is nobody to have them."""

    members: float | None  # of the members, as they are served
    worst_decile: float | None  # of the tenth of them with the lowest scores
    zero_shot: float | None  # of the members, with the base model
    alone: float | None  # of the members, with the best that they can have without anybody else
    better_than_alone: int  # how many of them are better off with what they are served
    worse_than_alone: int
    newcomers: float | None  # of clients that never join, as they are served
    newcomers_zero_shot: float | None
    leavers: float | None  # of those who have left, as they are served without being members
    all_clients: float | None  # of members, as they are served, and of those who have left
    stayers_change_mean: float | None  # since step 0, over those who are members then and now
    stayers_change_worst: float | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that is over; lists of clients are in the order of the nodes."""

    step: int  # its number; 0 is the merge
    members: int  # after it
    asked: list[str]
    left: list[str]
    joined: list[str]
    refused: dict[str, str]  # client -> why
    offline: list[str]
    failures: dict[str, str]  # client -> why
    state_digest: str  # after it, in hexadecimal
    trainings: int  # of clients, reruns among them
    steps_retrained: int  # optimiser steps of the reruns
    bytes_up: int  # of all uploads
    seconds: float  # it took, but for its evaluation
    scores: StepScores | None  # None where it did not end with an evaluation


@dataclass(frozen=True, kw_only=True)
class LoggedStep(Step):
    """The same, with the length of the log of receipts after it, and what each rerun took."""

    receipts: int
    rerun_steps: dict[str, int]  # client -> optimiser steps, of refused reruns too


@dataclass
class OracleDigests:
    """Step, as a text -> the state digest of an oracle."""

    incremental: dict[str, str] = field(default_factory=dict)
    full: dict[str, str] = field(default_factory=dict)


@dataclass
class StepLog:
    """The file's content.

    `full_oracles`, `evaluate_every` and `rounds` are as `play` was asked for.
    """

    full_oracles: int
    evaluate_every: int | None
    rounds: dict[str, float | str] = field(default_factory=dict)  # `RoundSettings`, by their keys
    steps: list[LoggedStep] = field(default_factory=list)  # those that are over
    # Of the step under way, written before its removals are committed: client -> bytes of its upload, optimiser steps.
    reruns: dict[str, tuple[int, int]] = field(default_factory=dict)
    first_scores: dict[str, float] = field(default_factory=dict)  # of members at step 0 that have not left
    by_influence: list[str] = field(default_factory=list)  # the largest first; empty until the merge was looked at
    mask_bytes: float = 0.0  # mean size of a member's mask file after the merge
    server_bytes: int = 0  # of both sums
    oracles: OracleDigests = field(default_factory=OracleDigests)

    @classmethod
    def read(cls, file: Path) -> "StepLog":
        """The log in a file.

        Raises:
            BadInput: it cannot be read, or is damaged.
        """
        return read_json(file, cls, mend(file.parent))

    def write(self, file: Path) -> None:
        """Write it; a reader finds the old file or the new one."""
        write_json(file, self)

    @property
    def receipts(self) -> int:
        """Receipts written up to the last step that is over."""
        return self.steps[-1].receipts if self.steps else 0


def members_after(steps: Iterable[Step]) -> set[str]:
    """Who is a member after some steps, the first of which is step 0."""
    members: set[str] = set()
    for step in steps:
        members.update(step.joined)
        members.difference_update(step.left)
    return members


def who_left(steps: Sequence[Step]) -> set[str]:
    """Who has left in some steps and not come back."""
    return {client_id for step in steps for client_id in step.left} - members_after(steps)
