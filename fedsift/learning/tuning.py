"""Sign-fixed tuning (SIFT; arXiv 2504.04626, section 3).

The task vector is tau = v * u with the sign vector v fixed and magnitudes u >= 0. Adam runs on tau, which is projected
onto tau * v >= 0 after each step. Adam's update is odd in the gradient, so this is Adam on u with the gradient v * g,
clamped at 0, bit for bit, without a pass over the gradient.

The last steps may run on the quantised model M0 + v * Q(u), Q the grid of the uploads: u is what Adam moves, with the
gradient that the quantised model has (straight-through estimator, arXiv 1308.3432; docs/explanation/commit-steps.md).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from fedsift.core.errors import BadInput
from fedsift.core.quantisation import QuantisationGrid
from fedsift.learning.device import enough_memory
from fedsift.learning.flat_model import FlatModel, Signs
from fedsift.learning.gradient import Gradient
from fedsift.learning.quantised_magnitudes import quantised_magnitudes

BatchT = TypeVar("BatchT")


class Commitment(NamedTuple):
    """Which steps of a tuning run on the quantised model."""

    grid: QuantisationGrid  # of the quantised model
    first_step: int  # the first such step, counted from 1; all later ones are too


@enough_memory()
def tune_magnitudes(
    model: FlatModel,
    signs: Signs,
    steps: Iterable[Sequence[tuple[BatchT, float]]],
    loss: Callable[[nn.Module, BatchT], Tensor],
    lr: float,
    commitment: Commitment | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    lr_factors: Sequence[float] = (),
    weight_decay: float = 0.0,
    moments: torch.dtype = torch.float32,
    on_loss: Callable[[float], object] | None = None,
) -> Tensor:
    """Tune magnitudes from 0.

    It needs 16 bytes a tuned parameter in float32, weights, tau and Adam's two moments of 4 bytes each, and 14 in
    bfloat16; 4 less with moments in bfloat16. Beside these there are M0 and the gradient of one large parameter.
    Several micro-batches need the whole gradient: 4 more, or 2, and so does a GPU, where all parameters are moved at
    once. v is kept in the sign bits of tau, and everything else is made a slice at a time.

    Args:
        model: starts from M0 whatever it holds, and is left at the weights that a further step would run on:
            M0 + v * u, and M0 + v * Q(u) with a commitment.
        signs: v, shape (n,).
        steps: for each optimiser step its micro-batches, each with its share of the step's loss; shares add up to 1.
        loss: a scalar to minimise, from the module and a micro-batch.
        lr: Adam's learning rate; its state is fresh.
        commitment: which steps run on the quantised model; none for None.
        betas: Adam's; by default PyTorch's, and the paper's.
        lr_factors: of each step, what lr is multiplied by; 1 for all where there are none.
        weight_decay: share of lr by which each step shrinks tau, and so draws the weights towards M0 (AdamW).
        moments: what Adam's are kept in between two steps; it calculates in float32.
        on_loss: is told each step's loss.

    Returns:
        u >= 0 in float32, shape (n,), on the model's device; not quantised.

    Raises:
        BadInput: the loss of a step, or a magnitude in the end, is infinite or no number; or a GPU's memory is short.
    """
    model.load_base()
    task_vector = torch.empty_like(model.weights, dtype=torch.float32)
    for entries, _ in model.slices():
        torch.mul(signs[entries].float(), 0.0, out=task_vector[entries])
    optimizer = _ProjectedAdam(task_vector, betas, weight_decay, moments, model.slice_size)
    gradient = Gradient(model)
    for step, micro_batches in enumerate(steps, start=1):
        optimizer.step, optimizer.lr = step, lr * (lr_factors[step - 1] if lr_factors else 1.0)
        value = gradient.of_step(micro_batches, loss, optimizer.move)
        check_loss(value, step, lr)
        if on_loss:
            on_loss(value)
        grid = commitment.grid if commitment and step + 1 >= commitment.first_step else None  # of the next step
        for entries, base in model.slices():
            tau = task_vector[entries]
            moved = quantised_magnitudes(tau.abs(), grid).copysign_(tau) if grid else tau
            torch.add(base, moved, out=model.weights[entries])
    for entries, _ in model.slices():
        check_finite(task_vector[entries].abs_(), lr)
    return task_vector  # now u


class _ProjectedAdam:
    """Adam on tau, projected onto tau * v >= 0 with v the sign bits of tau, a slice at a time.

    Attributes:
        step: the number of the step under way, from 1.
        lr: its learning rate.
    """

    def __init__(
        self,
        task_vector: Tensor,
        betas: tuple[float, float],
        weight_decay: float,
        moments: torch.dtype,
        slice_size: int,
    ) -> None:
        self.step, self.lr, self._slice_size = 0, 0.0, slice_size
        self._task_vector, self._betas, self._weight_decay = task_vector, betas, weight_decay
        self._moments = torch.zeros_like(task_vector, dtype=moments), torch.zeros_like(task_vector, dtype=moments)

    def move(self, entries: slice, gradient: Tensor) -> None:
        """Move entries of tau by their gradient; once a step."""
        vectors = (self._task_vector, *self._moments)
        parts = [torch.split(each, self._slice_size) for each in (gradient, *(each[entries] for each in vectors))]
        for slope, tau, *kept in zip(*parts, strict=True):
            sign = torch.ones_like(tau).copysign_(tau)
            first, second = (each.float() for each in kept)  # themselves, where they are float32
            adam(
                [tau],
                [slope.float()],
                [first],
                [second],
                max_exp_avg_sqs=[],
                state_steps=[torch.full((), self.step - 1.0, device=tau.device)],
                fused=True,
                decoupled_weight_decay=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=self.lr,
                weight_decay=self._weight_decay,
                eps=1e-8,
                maximize=False,
            )
            tau.mul_(sign).clamp_(min=0).copysign_(sign)
            for moment, moved in zip(kept, (first, second), strict=True):
                if moment is not moved:
                    moment.copy_(moved)


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
