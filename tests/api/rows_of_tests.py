"""A module of a user's own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fedsift import CustomTask


def clients() -> dict[str, list[tuple[str, str]]]:
    letters = "abcdefgh"
    return {f"client {n}": [(f"Q: q{row}?\nA:", f" {letters[n] * 3}{row}") for row in range(3)] for n in range(8)}


class Threes(CustomTask):
    """A row is a number x, of which 3 x is to be said."""

    metric = "nearness"

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))

    def batch(self, encoded: Sequence[Any]) -> Any:
        return torch.tensor([[float(number)] for number in encoded])

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        return ((model(batch) - 3 * batch) ** 2).mean()

    def scores(self, model: nn.Module, batch: Any) -> Tensor:
        return 1 / (1 + (model(batch) - 3 * batch).abs().flatten())


class Multiples(Threes):
    def __init__(self, factor: int = 4) -> None:
        self.factor = factor
