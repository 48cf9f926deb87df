"""What a model says of a client's decisions: its features as integers, and its logits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import Decisions, HeadTerms, quantised
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import Task, to_device


class SaidByBase(NamedTuple):
    """What M0 makes of some rows."""

    decisions: Decisions  # with their right labels
    logits: (
        NDArray[np.float32] | None
    )  # shape (decisions, labels); None where they say nothing (`Task.base_answers`), or are not asked for


@torch.no_grad()
def said_by_base(
    task: Task, model: FlatModel, encoded: Sequence[Any], batch_size: int, terms: HeadTerms, answers: bool
) -> SaidByBase:
    """What M0 makes of encoded rows, its answers only where asked to; where the task can, in one pass over them.

    Labels of decisions above the head's number of them share one, by the remainder.

    Raises:
        BadInput: the model has other features than the terms say, or some that are no numbers.
    """
    model.load_base()
    device, parts, said = model.weights.device, [], []
    for start in range(0, len(encoded), batch_size):
        some = encoded[start : start + batch_size]
        batch = to_device(task.batch(some), device)
        if answers and task.base_answers:
            made, logits = task.features_and_logits(model.module, batch, to_device(task.score_batch(some), device))
            said.append(logits.float().cpu().numpy())
        else:
            made = task.features(model.module, batch)
        if made.shape[1] + 1 != terms.features:
            raise BadInput(
                f"the model has {made.shape[1]} features, and the shared head {terms.features - 1}: leave it out "
                "(shared-head = false)"
            )
        parts.append(quantised(_finite(made.float().cpu().numpy(), "features")))
    features = np.concatenate(parts)
    targets, rows = targets_and_rows(task, encoded)
    if len(features) != len(targets):
        raise BadInput(
            f"the task has features of {len(features)} decisions, and {len(targets)} right labels: its features(model, "
            "batch) is to have a row for each"
        )
    decisions = Decisions(features, (targets % terms.labels).astype(np.int32), rows)
    return SaidByBase(decisions, _finite(np.concatenate(said), "logits") if said else None)


def targets_and_rows(task: Task, encoded: Sequence[Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The right label of each decision, and which row it is of; shape (decisions,) both."""
    targets = [task.targets(row) for row in encoded]
    rows = np.repeat(np.arange(len(targets)), [len(each) for each in targets])
    return np.array([label for each in targets for label in each], np.int32), rows.astype(np.int32)


@torch.no_grad()
def logits_of(task: Task, model: FlatModel, encoded: Sequence[Any], batch_size: int) -> NDArray[np.float32]:
    """The logits of each decision with the weights that are loaded, float32 of shape (decisions, labels).

    Raises:
        BadInput: some are no numbers.
    """
    parts = []
    for start in range(0, len(encoded), batch_size):
        batch = to_device(task.score_batch(encoded[start : start + batch_size]), model.weights.device)
        parts.append(task.logits(model.module, batch).float().cpu().numpy())
    return _finite(np.concatenate(parts), "logits")


def _finite(values: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise BadInput(f"the model's {what} have infinity or NaN: its weights are out of range, or its rows")
    return values
