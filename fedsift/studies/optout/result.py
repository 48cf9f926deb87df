"""Parts of a scenario's result.json: steps held against their oracles, costs by method, removals, the verdict."""

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from fedsift.core.ledger import Receipt
from fedsift.protocol.method import Method
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.optout.log import StepLog

PROVEN, REFUSED, NOT_PROVEN = "proven", "refused", "not proven"


def checked_steps(log: StepLog) -> list[dict[str, Any]]:
    """The log's steps, each held against its oracles."""
    checked = []
    for entry in log.steps:
        digest, full = entry["state_digest"], log.oracles["full"].get(str(entry["step"]))
        told = {key: value for key, value in entry.items() if key != "receipts"}
        told["same_as_incremental"] = digest == log.oracles["incremental"][str(entry["step"])]
        told["same_as_full"] = None if full is None else digest == full
        checked.append(told)
    return checked


def verdict(steps: Sequence[Mapping[str, Any]]) -> str:
    """Whether every state is that of its oracles, and no removal was refused."""
    if not all(step["same_as_incremental"] and step["same_as_full"] is not False for step in steps):
        return NOT_PROVEN
    return REFUSED if any(step["refused"] for step in steps) else PROVEN


def costs(steps: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Title of each method -> client trainings up to each step: measured for SIFT-Masks, by its formula for the others.

    Every method trains who joins. For those who leave in one step a method pays what single removals cost, one after
    the other, or trains all who remain once, whichever is less.
    """
    found = {}
    for name, method in METHODS.items():
        each = [step["trainings"] if name == SIFT_MASKS else _cost(method, step) for step in steps]
        found[method.title] = list(accumulate(each))
    return found


def _cost(method: type[Method], step: Mapping[str, Any]) -> int:
    left, joined = len(step["left"]), len(step["joined"])
    remaining: int = step["members"] - joined
    one_by_one = sum(method.cost(members) for members in range(remaining + left, remaining, -1))
    return joined + min(one_by_one, remaining)


def removals(receipts: Sequence[Receipt], steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What became of each request to leave, in the order of the receipts; `steps` as they stand in the log."""
    told = []
    for receipt in receipts:
        body = json.loads(receipt.body)
        told.append(
            {
                "client": body["client"],
                "step": next(step["step"] for step in steps if step["receipts"] >= receipt.number),
                "verdict": body["verdict"],
                "reason": body["reason"],
                "steps_retrained": body["steps_retrained"],
                "certificate": f"certificates/{receipt.number:04d}.json",
            }
        )
    return told


def storage_bytes(parameters: int, members: int) -> dict[str, int]:
    """Title of each method -> bytes that it keeps, by its formula."""
    return {method.title: method.storage(parameters, members) for method in METHODS.values()}
