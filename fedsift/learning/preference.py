"""Negative preference optimisation: forgetting rows by an ascent that fades as they are forgotten.

NPO (Zhang et al. 2024, arXiv 2404.05868): the loss of a row is -2/beta log sigma(-beta log(p / p_ref)), p being its
probability under the model and p_ref under the model before. Here log p is the mean over the row's terms, as in the
task's own loss, so that long rows weigh no more than short ones.

SimNPO (Fan et al. 2024, arXiv 2410.07163): -2/beta log sigma(-beta/|y| log p - gamma) with |y| the terms of the row.
Its gamma is 0 as its authors have it for TOFU, so it is the above with 1 for p_ref, and another beta.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import Task, to_device

# Of the authors; of SimNPO for TOFU's forget05.
BETA, SIMPLE_BETA = 0.1, 2.5


class NegativePreference(Task):
    """A task's rows, one a micro-batch, each with its loss under the model from which the training starts.

    Of SimNPO that loss is 0.
    """

    def __init__(self, task: Task, simple: bool = False) -> None:
        self._task, self._simple = task, simple
        self._beta = SIMPLE_BETA if simple else BETA

    def pairs(self, model: FlatModel, encoded: Sequence[Any]) -> list[tuple[Any, float]]:
        """Rows with their losses under the weights that a model has now."""
        if self._simple:
            return [(row, 0.0) for row in encoded]
        device = model.weights.device
        with torch.no_grad():
            batches = (to_device(self._task.batch([row]), device) for row in encoded)
            losses = [float(self._task.loss(model.module, batch)) for batch in batches]
        return list(zip(encoded, losses, strict=True))

    def batch(self, encoded: Sequence[tuple[Any, float]]) -> Any:
        """Of a single pair."""
        ((row, reference),) = encoded
        return self._task.batch([row]), torch.tensor(reference)

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """2/beta log(1 + (p / p_ref)^beta), from the row's losses -log p and -log p_ref."""
        own, reference = batch
        return 2 / self._beta * softplus(self._beta * (reference - self._task.loss(model, own)))

    def scores(self, model: nn.Module, batch: Any) -> Tensor:
        """None are asked for."""
        raise NotImplementedError("negative preference is trained on, not scored")
