"""The gradient of a step, part by part: each is used as soon as it is complete, and dropped.

No more of it than one large parameter's is ever in memory, unless several micro-batches are to be added up.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from fedsift.learning.flat_model import FlatModel

BatchT = TypeVar("BatchT")
# Is given entries of the flat vector and their gradient, in the weights' type. It must not change the weights: what
# comes earlier in the model may still need them.
Use = Callable[[slice, Tensor], object]


class Gradient:
    """Of the tuned parameters of a model."""

    def __init__(self, model: FlatModel) -> None:
        """Small parameters get a buffer for each of their runs, which backward adds to through views."""
        self._module = model.module
        self._large = [(run.entries, run.parameters[0]) for run in model.runs if run.is_large]
        self._buffers: list[tuple[slice, Tensor]] = []
        for run in model.runs:
            if not run.is_large:
                buffer = torch.zeros_like(model.weights[run.entries])
                self._buffers.append((run.entries, buffer))
                parts = torch.split(buffer, [parameter.numel() for parameter in run.parameters])
                for parameter, part in zip(run.parameters, parts, strict=True):
                    parameter.grad = part.view(parameter.shape)

    def of_step(
        self, micro_batches: Sequence[tuple[BatchT, float]], loss: Callable[[nn.Module, BatchT], Tensor], use: Use
    ) -> float:
        """Hand the gradient of a step's loss to `use`, every entry once, and return that loss.

        Args:
            micro_batches: each with its share of the step's loss; shares add up to 1.
            loss: a scalar to minimise, from the module and a micro-batch.
            use: what becomes of the gradient.
        """
        for _, buffer in self._buffers:
            buffer.zero_()
        waiting = dict(enumerate(self._large))
        for _, parameter in self._large:
            parameter.grad = None
        total, hooks = 0.0, []

        def complete(number: int, _: Tensor) -> None:
            entries, parameter = waiting.pop(number)
            gradient, parameter.grad = parameter.grad, None
            use(entries, torch.zeros_like(parameter).view(-1) if gradient is None else gradient.view(-1))

        try:
            for number, (batch, share) in enumerate(micro_batches, start=1):
                value = loss(self._module, batch)
                if share != 1.0:
                    value = value * share
                if number == len(micro_batches):
                    for place, (_, parameter) in waiting.items():
                        hook = parameter.register_post_accumulate_grad_hook(partial(complete, place))  # type: ignore[no-untyped-call]
                        hooks.append(hook)
                torch.autograd.backward(value)
                total += value.item()
        finally:
            for hook in hooks:
                hook.remove()
        for place, (_, parameter) in list(waiting.items()):  # The last micro-batch does not depend on them.
            complete(place, parameter)
        for entries, buffer in self._buffers:
            use(entries, buffer)
        return total
