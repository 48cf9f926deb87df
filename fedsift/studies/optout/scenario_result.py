"""result.json of a scenario: steps held against their oracles, costs by method, removals, the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any

from fedsift.core.receipt import Receipt, ReceiptBody, Verdict
from fedsift.protocol.method import HEAD_STATISTICS, Method
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.optout.on_clock import OnClock
from fedsift.studies.optout.scenario import Scenario
from fedsift.studies.optout.step_log import LoggedStep, Step, StepLog


class Proof(StrEnum):
    """What a scenario shows, from good to bad: all states are their oracles', and no removal was refused; or not."""

    PROVEN = "proven"
    REFUSED = "refused"
    NOT_PROVEN = "not proven"


@dataclass(frozen=True, kw_only=True)
class CheckedStep(Step):
    """A step, and whether its state is that of the oracles; None where the full one was not asked."""

    same_as_incremental: bool
    same_as_full: bool | None


@dataclass(frozen=True)
class StepRemoval:
    """What became of a request to leave, and why."""

    client: str
    step: int
    verdict: Verdict
    reason: str
    planned: str  # how the scenario has the client misbehave; empty for not at all
    steps_retrained: (
        int  # optimiser steps of the rerun, of a refused one too: its receipt has 0, as nothing was changed
    )
    certificate: str  # the file in the folder


@dataclass(frozen=True)
class ScenarioText:
    """The scenario as its file says it."""

    title: str
    description: str
    toml: str


@dataclass(frozen=True)
class ScenarioResult:
    """result.json of a scenario."""

    scenario: ScenarioText
    config: dict[str, Any]  # as config.toml has it; with rounds, also `RoundSettings` by their keys
    metric: str  # what scores are
    held_out: bool  # whether they are on rows that nobody tuned on
    tuned_parameters: int
    clients: int  # members after the merge
    newcomers: int  # how many clients never join
    server_bytes: int  # of both sums
    mask_bytes_mean: float  # of a member's mask
    upload_bytes_mean: float
    dense_bytes: int  # of a float32 upload
    steps: list[CheckedStep]  # the merge, and those after it
    costs: dict[str, list[int]]  # title of each method -> client trainings up to each step
    # title of each method -> bytes that it keeps, by its formula; those of the shared head's sums are among them
    storage_bytes: dict[str, int]
    on_clock: dict[str, OnClock]  # title of a method -> its cost on the virtual clock; empty without rounds
    removals: list[StepRemoval]  # in the order of their receipts
    attacks: dict[str, Any] | None  # on the leavers; None where they were not asked for
    verdict: Proof  # of the whole
    environment: list[dict[str, str]]  # distinct fingerprints of the workers
    seconds: float  # of the last session

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        config: dict[str, Any],
        metric: str,
        held_out: bool,
        tuned_parameters: int,
        log: StepLog,
        clock: Mapping[str, OnClock],
        newcomers: int,
        receipts: Sequence[Receipt],
        misbehaviour: Mapping[str, str],
        head: int,
        environment: list[dict[str, str]],
        seconds: float,
    ) -> "ScenarioResult":
        """From a log of all steps, with the oracles'; `head` are the bytes of the shared head's sums."""
        steps = checked_steps(log)
        members = steps[0].members
        return cls(
            scenario=ScenarioText(scenario.title, scenario.description, scenario.toml),
            config=config,
            metric=metric,
            held_out=held_out,
            tuned_parameters=tuned_parameters,
            clients=members,
            newcomers=newcomers,
            server_bytes=log.server_bytes,
            mask_bytes_mean=log.mask_bytes,
            upload_bytes_mean=steps[0].bytes_up / members,
            dense_bytes=4 * tuned_parameters,
            steps=steps,
            costs=costs(steps),
            storage_bytes={
                method.title: method.storage(tuned_parameters, members) + head * (HEAD_STATISTICS in method.uploads)
                for method in METHODS.values()
                if not method.in_rounds
            },
            on_clock=dict(clock),
            removals=removals(receipts, log.steps, misbehaviour),
            attacks=None,
            verdict=proof(steps),
            environment=environment,
            seconds=round(seconds, 3),
        )


def checked_steps(log: StepLog) -> list[CheckedStep]:
    """The log's steps, each held against its oracles."""
    incremental, full = log.oracles.incremental, log.oracles.full

    def checked(step: LoggedStep) -> CheckedStep:
        digest, key = step.state_digest, str(step.step)
        known = {name: value for name, value in vars(step).items() if name not in ("receipts", "rerun_steps")}
        same_as_full = digest == full[key] if key in full else None
        return CheckedStep(**known, same_as_incremental=digest == incremental[key], same_as_full=same_as_full)

    return list(map(checked, log.steps))


def proof(steps: Sequence[CheckedStep]) -> Proof:
    """Whether every state is that of its oracles, and no removal was refused."""
    if not all(step.same_as_incremental and step.same_as_full is not False for step in steps):
        return Proof.NOT_PROVEN
    return Proof.REFUSED if any(step.refused for step in steps) else Proof.PROVEN


def costs(steps: Sequence[Step]) -> dict[str, list[int]]:
    """Title of each method without rounds -> client trainings up to each step.

    They are measured for SIFT-Masks, and by their formulas for the others.

    Every method trains who joins. For those who leave in one step a method pays what single removals cost, one after
    the other, or trains all who remain once, whichever is less.
    """
    return {
        method.title: list(accumulate(step.trainings if name == SIFT_MASKS else _cost(method, step) for step in steps))
        for name, method in METHODS.items()
        if not method.in_rounds  # These are on the clock.
    }


def _cost(method: type[Method], step: Step) -> int:
    left, joined = len(step.left), len(step.joined)
    remaining = step.members - joined
    one_by_one = sum(method.cost(members) for members in range(remaining + left, remaining, -1))
    return joined + min(one_by_one, remaining)


def removals(
    receipts: Sequence[Receipt], steps: Sequence[LoggedStep], misbehaviour: Mapping[str, str]
) -> list[StepRemoval]:
    """What became of each request to leave, in the order of the receipts."""

    def removal(body: ReceiptBody) -> StepRemoval:
        step = next(step for step in steps if step.receipts >= body.number)
        return StepRemoval(
            client=body.client,
            step=step.step,
            verdict=body.verdict,
            reason=body.reason,
            planned=str(misbehaviour.get(body.client, "")),
            steps_retrained=step.rerun_steps.get(body.client, body.steps_retrained),
            certificate=f"certificates/{body.number:04d}.json",
        )

    return [removal(receipt.body) for receipt in receipts]
