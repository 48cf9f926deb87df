"""Sign-fixed tuning (SIFT; arXiv 2504.04626, section 3).

The task vector is tau = v * u with the sign vector v fixed and magnitudes u >= 0. Adam runs on tau, which is projected
onto tau * v >= 0 after each step. Adam's update is odd in the gradient, so this is Adam on u with the gradient v * g,
clamped at 0, bit for bit, without a pass over the gradient.
"""

import math
from collections.abc import Callable, Iterable, Sequence
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
        micro_batch: rows that run through the model at once, to bound its activations; 0 for all of a step's. The
            gradient is the same but for its rounding, so the number is part of what a rerun must repeat.
    """

    steps: int
    lr: float
    batch_size: int
    micro_batch: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise BadInput(f"steps = {self.steps}: a client tunes for at least 1 step")
        if not 0 < self.lr < float("inf"):
            raise BadInput(f"lr = {self.lr}: the learning rate must be a finite number above 0")
        if self.batch_size < 1:
            raise BadInput(f"batch-size = {self.batch_size}: a batch has at least 1 row")
        if self.micro_batch < 0:
            raise BadInput(f"micro-batch = {self.micro_batch}: give the rows that run at once, or 0 for all of a step")


def tune_magnitudes(
    model: FlatModel,
    signs: Tensor,
    steps: Iterable[Sequence[tuple[BatchT, float]]],
    loss: Callable[[nn.Module, BatchT], Tensor],
    lr: float,
) -> Tensor:
    """Tune magnitudes from 0.

    In float32 it needs 25 bytes a tuned parameter: weights, M0, gradient, tau and Adam's two moments of 4 bytes each,
    and a sign of 1. In bfloat16 it needs 23: the first three have 2 bytes each, tau has a gradient of its own of 4.

    Args:
        model: starts from M0 whatever it holds, and is left at the tuned weights M0 + v * u.
        signs: v as int8, shape (n,), on the model's device.
        steps: for each optimiser step its micro-batches, each with its share of the step's loss; shares add up to 1.
        loss: a scalar to minimise, from the module and a micro-batch.
        lr: Adam's learning rate; its other settings are PyTorch's defaults, its state is fresh.

    Returns:
        u >= 0 in float32, shape (n,), on the model's device.

    Raises:
        BadInput: the loss of a step is infinite or no number.
    """
    model.load_base()
    task_vector = torch.zeros_like(model.weights, dtype=torch.float32)
    shares_gradient = model.gradient.dtype == torch.float32
    task_vector.grad = model.gradient if shares_gradient else torch.zeros_like(task_vector)
    optimizer = torch.optim.Adam([task_vector], lr=lr, fused=True)
    for step, micro_batches in enumerate(steps, start=1):
        value = accumulate_gradient(model, micro_batches, loss)
        check_loss(value, step, lr)
        if not shares_gradient:
            task_vector.grad.copy_(model.gradient)
        optimizer.step()
        for entries, base in model.slices():
            sign, tau = signs[entries].float(), task_vector[entries]
            tau.mul_(sign).clamp_(min=0).mul_(sign)
            torch.add(base, tau, out=model.weights[entries])
    task_vector.grad = None
    for entries, _ in model.slices():
        task_vector[entries].mul_(signs[entries])
    return task_vector  # now u


def check_loss(value: float, step: int, lr: float) -> None:
    """See that the loss of a step, counted from 1, is a number.

    Raises:
        BadInput: it is infinite or no number; at the first step the learning rate cannot be why.
    """
    if not math.isfinite(value):
        why = (
            f"try a smaller lr than {lr}"
            if step > 1
            else "nothing has been tuned yet, so look at the data and the loss"
        )
        raise BadInput(f"the loss is {value} at step {step} of the tuning: {why}")


def accumulate_gradient(
    model: FlatModel, micro_batches: Sequence[tuple[BatchT, float]], loss: Callable[[nn.Module, BatchT], Tensor]
) -> float:
    """Set the model's gradient to that of a step's loss, and return that loss; arguments as for `tune_magnitudes`."""
    model.gradient.zero_()
    total = 0.0
    for batch, share in micro_batches:
        value = loss(model.module, batch)
        if share != 1.0:
            value = value * share
        torch.autograd.backward(value)
        total += value.item()
    return total
