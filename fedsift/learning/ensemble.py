"""What several models say together of a client's decisions: the mean of their probabilities, or a vote."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.core.ensemble import Ensemble
from fedsift.learning.decisions import logits_of, targets_and_rows
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import Task


def score_together(
    task: Task,
    model: FlatModel,
    task_vectors: Sequence[NDArray[np.float32]],
    encoded: Sequence[Any],
    batch_size: int,
    ensemble: Ensemble,
) -> float:
    """The metric's mean over rows, of models that decide together.

    Of language modelling the next token is decided, by the mean of the probabilities: a vote for whole tokens would
    leave most answers without any probability.

    Args:
        task: has labels.
        model: is loaded with one of them after the other.
        task_vectors: of the models, shape (n,) each; at least one.
        encoded: the client's rows.
        batch_size: rows at a time.
        ensemble: the mean of probabilities or a vote.

    Raises:
        BadInput: a logit is infinite or no number.
    """
    total = 0.0
    for start in range(0, len(encoded), batch_size):
        rows = encoded[start : start + batch_size]
        targets, row_of = targets_and_rows(task, rows)
        said = []
        for each in task_vectors:
            model.load_task_vector(each)
            said.append(logits_of(task, model, rows, batch_size))
        votes = ensemble is Ensemble.VOTE and not task.is_of_tokens
        total += len(rows) * task.score_decisions((_voted if votes else _mean)(said), targets, row_of)
    return total / len(encoded)


def _mean(logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The logarithm of the models' mean probabilities; of shape (decisions, labels), as each of the logits."""
    logs = torch.from_numpy(logits[0]).log_softmax(1)
    for each in logits[1:]:
        logs = torch.logaddexp(logs, torch.from_numpy(each).log_softmax(1))
    means: NDArray[np.float32] = (logs - np.log(len(logits))).numpy()
    return means


def _voted(logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The logarithm of votes and mean probabilities, which are less than a vote; likewise, to be added up to 1."""
    votes = np.exp(_mean(logits), dtype=np.float64)
    for each in logits:
        votes[np.arange(len(each)), each.argmax(1)] += 1
    return np.log(np.maximum(votes / (len(logits) + 1), np.finfo(np.float64).tiny))
