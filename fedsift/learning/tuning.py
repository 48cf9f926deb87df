"""Sign-fixed tuning (SIFT; arXiv 2504.04626, section 3).

The task vector is tau = v * u with the sign vector v fixed and magnitudes u >= 0. Adam runs on tau, which is projected
onto tau * v >= 0 after each step. Adam's update is odd in the gradient, so this is Adam on u with the gradient v * g,
clamped at 0, bit for bit, without a pass over the gradient.

The last steps may run on the quantised model M0 + v * Q(u), Q the grid of the uploads: u is what Adam moves, with the
gradient that the quantised model has (straight-through estimator, arXiv 1308.3432; docs/commit-steps.md).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.quantisation import QuantisationGrid
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.quantised_magnitudes import quantised_magnitudes

BatchT = TypeVar("BatchT")


class Commitment(NamedTuple):
    """Which steps of a tuning run on the quantised model."""

    grid: QuantisationGrid  # of the quantised model
    first_step: int  # the first such step, counted from 1; all later ones are too


def tune_magnitudes(
    model: FlatModel,
    signs: Tensor,
    steps: Iterable[Sequence[tuple[BatchT, float]]],
    loss: Callable[[nn.Module, BatchT], Tensor],
    lr: float,
    commitment: Commitment | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    lr_factors: Sequence[float] = (),
    weight_decay: float = 0.0,
) -> Tensor:
    """Tune magnitudes from 0.

    In float32 it needs 25 bytes a tuned parameter: weights, M0, gradient, tau and Adam's two moments of 4 bytes each,
    and a sign of 1. In bfloat16 it needs 23: the first three have 2 bytes each, tau has a gradient of its own of 4.
    Quantising takes a slice at a time, so a commitment adds a few MB.

    Args:
        model: starts from M0 whatever it holds, and is left at the weights that a further step would run on:
            M0 + v * u, and M0 + v * Q(u) with a commitment.
        signs: v as int8, shape (n,), on the model's device.
        steps: for each optimiser step its micro-batches, each with its share of the step's loss; shares add up to 1.
        loss: a scalar to minimise, from the module and a micro-batch.
        lr: Adam's learning rate; its state is fresh.
        commitment: which steps run on the quantised model; none for None.
        betas: Adam's; by default PyTorch's, and the paper's.
        lr_factors: of each step, what lr is multiplied by; 1 for all where there are none.
        weight_decay: share of lr by which each step shrinks tau, and so draws the weights towards M0 (AdamW).

    Returns:
        u >= 0 in float32, shape (n,), on the model's device; not quantised.

    Raises:
        BadInput: the loss of a step, or a magnitude in the end, is infinite or no number.
    """
    model.load_base()
    task_vector = torch.zeros_like(model.weights, dtype=torch.float32)
    shares_gradient = model.gradient.dtype == torch.float32
    task_vector.grad = model.gradient if shares_gradient else torch.zeros_like(task_vector)
    optimizer = torch.optim.AdamW([task_vector], lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
    for step, micro_batches in enumerate(steps, start=1):
        if lr_factors:
            set_lr(optimizer, lr * lr_factors[step - 1])
        value = accumulate_gradient(model, micro_batches, loss)
        check_loss(value, step, lr)
        if not shares_gradient:
            task_vector.grad.copy_(model.gradient)
        optimizer.step()
        grid = commitment.grid if commitment and step + 1 >= commitment.first_step else None  # of the next step
        for entries, base in model.slices():
            sign, tau = signs[entries].float(), task_vector[entries]
            magnitudes = tau.mul_(sign).clamp_(min=0)
            quantised = quantised_magnitudes(magnitudes, grid).mul_(sign) if grid else None
            tau.mul_(sign)
            torch.add(base, tau if quantised is None else quantised, out=model.weights[entries])
    task_vector.grad = None
    for entries, _ in model.slices():
        magnitudes = task_vector[entries].mul_(signs[entries])
        check_finite(magnitudes, lr)
    return task_vector  # now u


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the steps to come."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def check_loss(value: float, step: int, lr: float) -> None:
    """See that the loss of a step, counted from 1, is a number.

    Raises:
        BadInput: it is infinite or no number; at the first step the learning rate cannot be why.
    """
    if not math.isfinite(value):
        untuned = "nothing has been tuned yet, so look at the data and the loss"
        why = f"try a smaller lr than {lr}" if step > 1 else untuned
        raise BadInput(f"the loss is {value} at step {step} of the tuning: {why}")


def check_finite(tuned: Tensor, lr: float) -> None:
    """See that what a tuning has come to is made of numbers: of its last step no loss tells.

    Raises:
        BadInput: it is not.
    """
    if not tuned.isfinite().all():
        raise BadInput(
            "the weights have infinity or NaN after the last step of the tuning, since its gradient had: look at the "
            f"loss, or try a smaller lr than {lr}"
        )


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
