"""A user's own task, whose errors are named as the user's."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.user_code import errors_as_bad_input
from fedsift.learning.tasks.task import CustomTask, Task


class OwnTask(Task):
    """Hands every call on, names task and method where it raises, and checks the shape of what comes back."""

    def __init__(self, task: CustomTask, specification: str) -> None:
        """Take over a task; errors call it by its `package.module:function`."""
        self.metric, self.labels = task.metric, task.labels
        self.has_prior, self.base_answers = task.has_prior, task.base_answers
        self._task, self._name = task, f"task {specification}"

    def model(self, seed: int) -> nn.Module:
        """The task's model, drawn from a seed.

        Raises:
            BadInput: it is no module.
        """
        torch.manual_seed(seed)
        with errors_as_bad_input(f"{self._name}: model()"):
            model = self._task.model()
        if not isinstance(model, nn.Module):
            raise BadInput(f"{self._name}: model() returned {type(model).__name__}; expected a torch.nn.Module")
        return model

    def encode(self, row: Row) -> Any:
        """As the task does it."""
        with errors_as_bad_input(f"{self._name}: encode"):
            return self._task.encode(row)

    def terms(self, encoded: Any) -> int:
        """As the task counts them."""
        with errors_as_bad_input(f"{self._name}: terms"):
            return self._task.terms(encoded)

    def batch(self, encoded: Sequence[Any]) -> Any:
        """As the task makes it."""
        with errors_as_bad_input(f"{self._name}: batch"):
            return self._task.batch(encoded)

    def score_batch(self, encoded: Sequence[Any]) -> Any:
        """As the task makes it."""
        with errors_as_bad_input(f"{self._name}: score_batch"):
            return self._task.score_batch(encoded)

    def targets(self, encoded: Any) -> list[int]:
        """As the task says it.

        Raises:
            BadInput: one is no label.
        """
        with errors_as_bad_input(f"{self._name}: targets"):
            targets = list(self._task.targets(encoded))
        if not targets or not all(type(each) is int and 0 <= each < self.labels for each in targets):
            raise BadInput(
                f"{self._name}: targets returned {targets}; expected whole numbers from 0 to {self.labels - 1}"
            )
        return targets

    def features(self, model: nn.Module, batch: Any) -> Tensor:
        """As the task makes them."""
        with errors_as_bad_input(f"{self._name}: features"):
            features = self._task.features(model, batch)
        return self._matrix(features, "features")

    def feature_size(self, seed: int) -> int:
        """As the task says it, of its model."""
        model = self.model(seed)
        with errors_as_bad_input(f"{self._name}: feature_size"):
            return int(self._task.feature_size(model))

    def logits(self, model: nn.Module, batch: Any) -> Tensor:
        """As the task makes them."""
        with errors_as_bad_input(f"{self._name}: logits"):
            logits = self._task.logits(model, batch)
        return self._matrix(logits, "logits", self.labels)

    def score_decisions(self, log_probabilities: NDArray[Any], targets: NDArray[Any], rows: NDArray[Any]) -> float:
        """As the task counts them."""
        with errors_as_bad_input(f"{self._name}: score_decisions"):
            return float(self._task.score_decisions(log_probabilities, targets, rows))

    def _matrix(self, value: Any, method: str, columns: int | None = None) -> Tensor:
        if not isinstance(value, Tensor) or value.dim() != 2 or columns not in (None, value.shape[-1]):
            expected = f"a tensor of shape (decisions, {'d' if columns is None else columns})"
            raise BadInput(f"{self._name}: {method} returned {_described(value)}; expected {expected}")
        return value

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """The task's loss.

        Raises:
            BadInput: it is no scalar.
        """
        with errors_as_bad_input(f"{self._name}: loss"):
            loss = self._task.loss(model, batch)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise BadInput(f"{self._name}: loss returned {_described(loss)}; expected a tensor with one number")
        return loss

    def scores(self, model: nn.Module, batch: Any) -> Tensor:
        """The task's scores.

        Raises:
            BadInput: they are no vector.
        """
        with errors_as_bad_input(f"{self._name}: scores"):
            scores = self._task.scores(model, batch)
        if not isinstance(scores, Tensor) or scores.dim() != 1:
            expected = "a tensor of shape (rows,), one a row"
            raise BadInput(f"{self._name}: scores returned {_described(scores)}; expected {expected}")
        return scores


def _described(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
