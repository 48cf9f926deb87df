"""A model whose tuned parameters are views into one flat buffer."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsift.parameter_layout import ParameterLayout


class FlatModel:
    """The tuned parameters of a model as one float32 vector, and their gradients as another.

    Attributes:
        module: the model; dropout off, everything outside the layout frozen.
        layout: which parameters, in which order.
        base: M0, the base weights of the tuned parameters, shape (n,); never written to.
        weights: the current weights, shape (n,); the module's parameters are views of it.
        gradient: shape (n,); backward adds to it through views.
    """

    def __init__(self, module: nn.Module, layout: ParameterLayout) -> None:
        """Take over `module`: its tuned parameters move into the flat buffers."""
        self.module = module.eval()
        self.layout = layout
        self.weights = torch.empty(layout.size)
        self.gradient = torch.zeros(layout.size)
        parameters = dict(module.named_parameters())
        for parameter in parameters.values():
            parameter.requires_grad_(False)
        for name, offset, size in zip(layout.names, layout.offsets, layout.sizes, strict=True):
            parameter = parameters[name]
            view = self.weights[offset : offset + size].view(parameter.shape)
            view.copy_(parameter.data)
            parameter.data = view
            parameter.requires_grad_(True)
            parameter.grad = self.gradient[offset : offset + size].view(parameter.shape)
        self.base = self.weights.clone()

    def load_task_vector(self, task_vector: NDArray[np.float32] | Tensor | None) -> None:
        """Set the weights to M0 + tau, or back to M0 for None."""
        if task_vector is None:
            self.weights.copy_(self.base)
        else:
            torch.add(self.base, torch.as_tensor(task_vector), out=self.weights)
