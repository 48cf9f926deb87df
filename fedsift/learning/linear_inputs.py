"""What goes into the linear layers of a model, as Gram matrices: all that RegMean needs of a client's rows."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import Task, to_device


def input_grams(model: FlatModel, task: Task, encoded: Sequence[Any]) -> dict[str, NDArray[np.float64]]:
    """X^T X / m of each tuned linear layer, X being its inputs at the m positions of all rows, with present weights.

    Args:
        model: its layers are called by the task's loss.
        task: makes batches, one row each, so that nothing is padded.
        encoded: the client's rows.

    Returns:
        By the name of the layer's weight, shape (d, d) each; layers that are never called are left out.
    """
    sums: dict[str, Tensor] = {}
    positions: dict[str, int] = {}

    def note(name: str, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].detach().flatten(0, -2).double()
        gram = flat.T @ flat
        sums[name] = sums[name] + gram if name in sums else gram
        positions[name] = positions.get(name, 0) + len(flat)

    tuned = set(model.layout.names)
    hooks = [
        layer.register_forward_pre_hook(partial(note, f"{path}.weight"))
        for path, layer in model.module.named_modules()
        if isinstance(layer, nn.Linear) and f"{path}.weight" in tuned
    ]
    try:
        with torch.no_grad():
            for row in encoded:
                task.loss(model.module, to_device(task.batch([row]), model.weights.device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (gram / positions[name]).cpu().numpy() for name, gram in sums.items()}
