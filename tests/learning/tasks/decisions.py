"""Tasks with labels of each kind, with a model each and rows for them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.tasks.task import CustomTask

COLOURS = ("red", "blue", "dark blue")


class Quadrants(CustomTask):
    """In which quadrant is a point? A row is a pair of numbers and the quadrant's number."""

    metric = "accuracy"
    labels = 4

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))

    def batch(self, encoded: Sequence[Any]) -> tuple[Tensor, Tensor]:
        points, quadrants = zip(*encoded, strict=True)
        return torch.tensor(points), torch.tensor(quadrants)

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1])

    def scores(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return (model(batch[0]).argmax(1) == batch[1]).float()

    def targets(self, encoded: Any) -> list[int]:
        return [encoded[1]]

    def logits(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        found: Tensor = model(batch[0])
        return found


class Kind(NamedTuple):
    """A kind of task."""

    family: str  # of the model; empty for one of the task's own
    settings: dict[str, Any]
    rows: list[Any]
    decisions: int  # of all rows


_TEXTS = [
    (f"What colour is {what}?", f" {COLOURS[n % 3]}") for n, what in enumerate(("it", "the sea", "a red, red sun"))
]
_POINTS = [
    ((float(x), float(y)), quadrant)
    for (x, y), quadrant in zip(np.random.default_rng(0).normal(size=(9, 2)), [0, 1, 2, 3] * 3, strict=False)
]
_CLASSES = {"task": "classification", "choices": COLOURS}
_TOKENS = sum(len(target) for _, target in _TEXTS)
KINDS = {
    "classification": Kind("bert", _CLASSES, _TEXTS, 3),
    "classification with a causal model": Kind("llama", _CLASSES, _TEXTS, 3),
    "classification with an encoder of two": Kind("t5", _CLASSES, _TEXTS, 3),
    "choices": Kind("gpt2", {"choices": COLOURS}, _TEXTS, 3),
    "choices of a decoder": Kind("t5", {"choices": COLOURS}, _TEXTS, 3),
    "language modelling": Kind("gpt2", {}, _TEXTS, _TOKENS),
    "language modelling with layers": Kind("llama", {}, _TEXTS, _TOKENS),
    # Without the space before it, with the end after it.
    "language modelling of a decoder": Kind("flan-t5", {}, _TEXTS, _TOKENS),
    "a task of one's own": Kind("", {"task": "tests.learning.tasks.decisions:Quadrants"}, _POINTS, 9),
}


def settings_of(kind: Kind, folder: str) -> ModelSettings:
    return ModelSettings(**({"model": folder} if folder else {}), **kind.settings)
