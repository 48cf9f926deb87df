"""Grams are of what goes into the linear layers."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fedsift.learning.flat_model import FlatModel
from fedsift.learning.linear_inputs import input_grams
from fedsift.learning.tasks.task import CustomTask
from fedsift.learning.tuned_layers import chosen_layers

ROWS = [torch.tensor(row) for row in ([[1.0, 2.0], [0.0, 1.0]], [[-1.0, 3.0]])]  # of two positions, and of one


class Doubled(CustomTask):
    """Two layers, the first of which doubles its inputs."""

    def model(self) -> nn.Module:
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1), nn.LayerNorm(1))
        with torch.no_grad():
            model[0].weight.copy_(2 * torch.eye(2))
            model[0].bias.zero_()
        return model

    def batch(self, encoded: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(encoded))

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        return torch.as_tensor(model(batch).mean())

    def scores(self, model: nn.Module, batch: Tensor) -> Tensor:
        raise NotImplementedError


def test_by_hand() -> None:
    """Inputs (1 2), (0 1), (-1 3): their products summed are 2, -1, 14, over 3 positions; then four times that."""
    task = Doubled()
    module = task.model()
    grams = input_grams(FlatModel(module, chosen_layers(module, "hidden")), task, ROWS)
    expected = np.array([[2, -1], [-1, 14]]) / 3
    assert list(grams) == ["0.weight", "1.weight"]
    np.testing.assert_allclose(grams["0.weight"], expected)
    np.testing.assert_allclose(grams["1.weight"], 4 * expected)
    assert not any(layer._forward_pre_hooks for layer in module)


def test_what_is_frozen_has_none() -> None:
    task = Doubled()
    module = task.model()
    assert list(input_grams(FlatModel(module, chosen_layers(module, "1.*")), task, ROWS)) == ["1.weight"]
