"""Sign-fixed tuning (SIFT; arXiv 2504.04626, section 3), in magnitudes.

The task vector is v * u with the sign vector v fixed and magnitudes u >= 0. Adam runs on u with the gradient v * g, and
u is clamped at 0 after each step. Adam's update is odd in the gradient, so this is "Adam on tau, then project onto
tau * v >= 0", entry for entry, at the price of one clamp.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from fedsift.errors import BadInput
from fedsift.flat_model import FlatModel

BatchT = TypeVar("BatchT")


@dataclass(frozen=True)
class TuningSettings:
    """How a client tunes.

    Attributes:
        steps: optimiser steps (the paper: 20; 10 is enough, Fig. 7).
        lr: Adam's learning rate.
        batch_size: rows a step; a client with fewer rows uses all of them at each step.
    """

    steps: int
    lr: float
    batch_size: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise BadInput(f"steps = {self.steps}: a client tunes for at least 1 step")
        if not 0 < self.lr < float("inf"):
            raise BadInput(f"lr = {self.lr}: the learning rate must be a finite number above 0")
        if self.batch_size < 1:
            raise BadInput(f"batch-size = {self.batch_size}: a batch has at least 1 row")


def tune_magnitudes(
    model: FlatModel,
    signs: Tensor,
    batches: Iterable[BatchT],
    loss: Callable[[nn.Module, BatchT], Tensor],
    lr: float,
) -> Tensor:
    """Tune magnitudes from 0, one optimiser step for each batch.

    Args:
        model: starts from M0 whatever it holds, and is left at the tuned weights M0 + v * u.
        signs: v as float32, shape (n,).
        batches: as many as there are steps.
        loss: a scalar to minimise, from the module and a batch.
        lr: Adam's learning rate; its other settings are PyTorch's defaults, its state is fresh.

    Returns:
        u >= 0 in float32, shape (n,).

    Raises:
        BadInput: the loss is infinite or no number.
    """
    model.load_task_vector(None)
    magnitudes = torch.zeros_like(model.base)
    magnitudes.grad = torch.zeros_like(magnitudes)
    optimizer = torch.optim.Adam([magnitudes], lr=lr, fused=True)
    for step, batch in enumerate(batches, start=1):
        model.gradient.zero_()
        value = loss(model.module, batch)
        if not torch.isfinite(value):
            raise BadInput(f"the loss is {value.item()} at step {step} of the tuning: try a smaller lr than {lr}")
        torch.autograd.backward(value)
        torch.mul(model.gradient, signs, out=magnitudes.grad)
        optimizer.step()
        magnitudes.clamp_(min=0)
        torch.addcmul(model.base, signs, magnitudes, out=model.weights)
    magnitudes.grad = None
    return magnitudes
