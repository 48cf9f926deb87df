"""Sign-fixed tuning (SIFT; arXiv 2504.04626, section 3).

The task vector is tau = v * u with the sign vector v fixed and magnitudes u >= 0. Adam runs on tau, which is projected
onto tau * v >= 0 after each step. Adam's update is odd in the gradient, so this is Adam on u with the gradient v * g,
clamped at 0, bit for bit, without a pass over the gradient.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from fedsift.errors import BadInput
from fedsift.flat_model import FlatModel

BatchT = TypeVar("BatchT")


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
