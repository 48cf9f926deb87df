"""A user's own task, whose errors are named as the user's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.user_code import errors_as_bad_input
from fedsift.learning.tasks.task import CustomTask, Task


class OwnTask(Task):
    """Hands every call on, names task and method where it raises, and checks the shape of what comes back."""

    def __init__(self, task: CustomTask, specification: str) -> None:
        """Take over a task; errors call it by its `package.module:function`."""
        self.metric = task.metric
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
