"""Models that decide together: by hand on three labels, and token by token of a language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedsift.core.ensemble import Ensemble
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tasks.task import Task, to_device
from fedsift.learning.tuning_settings import TuningSettings

SETTINGS = TuningSettings(steps=1, lr=0.01, batch_size=2)


class Biases(Task):
    """A row is its label; what a model says of it are its biases, whatever the row."""

    labels = 3

    def batch(self, encoded: Sequence[int]) -> Tensor:
        return torch.tensor(encoded)

    def targets(self, encoded: int) -> list[int]:
        return [encoded]

    def logits(self, model: nn.Module, batch: Tensor) -> Tensor:
        said: Tensor = model(torch.zeros(len(batch), 1))
        return said

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.logits(model, batch), batch)

    def scores(self, model: nn.Module, batch: Tensor) -> Tensor:
        return (self.logits(model, batch).argmax(1) == batch).double()


def tuner(task: Task) -> FineTuner:
    model = nn.Linear(1, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return FineTuner(FlatModel(model, ParameterLayout(("weight", "bias"), ((3, 1), (3,)))), task, SETTINGS, 0)


def saying(*probabilities: float) -> Vector:
    """The task vector of a model with these probabilities."""
    return np.log(np.array([1, 1, 1, *probabilities], np.float32))


def test_a_vote_and_a_mean_by_hand() -> None:
    """Two of three say label 0, and the third is so sure of label 1 that the mean is (.307, .567, .127)."""
    models = [saying(0.45, 0.40, 0.15), saying(0.45, 0.40, 0.15), saying(0.02, 0.90, 0.08)]
    rows = [0, 1, 1, 0, 0]  # three of label 0, two of label 1
    found = {each: tuner(Biases()).score_of_several(models, rows, each) for each in Ensemble}
    assert found[Ensemble.VOTE] == pytest.approx(3 / 5)
    assert found[Ensemble.MEAN] == pytest.approx(2 / 5)
    assert found[Ensemble.DRAWN] == pytest.approx((3 + 3 + 2) / 3 / 5)


def test_of_equally_many_votes_the_mean_decides() -> None:
    """One vote each; the mean is (.35, .65, 0)."""
    models = [saying(0.6, 0.4, 1e-9), saying(0.1, 0.9, 1e-9)]
    assert tuner(Biases()).score_of_several(models, [1], Ensemble.VOTE) == 1
    assert tuner(Biases()).score_of_several(models[::-1], [0], Ensemble.VOTE) == 0


def test_without_labels_nothing_is_decided_together() -> None:
    task = Biases()
    task.labels = 0
    models = [saying(0.6, 0.3, 0.1), saying(0.1, 0.8, 0.1)]
    for each in Ensemble:
        assert tuner(task).score_of_several(models, [0, 0, 1], each) == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_of_language_modelling_the_mean_of_the_next_tokens_probabilities(tiny_model: Path) -> None:
    """Three rows in two batches, each token's probability by a softmax of its own; a vote is the same."""
    model, task = load_model(ModelSettings(model=str(tiny_model)))
    language = FineTuner(model, task, SETTINGS, 0)
    encoded = language.encode("ann", [("ab", "c"), ("x", "yz!"), ("b", "ab")])
    drawn = np.random.default_rng(0).normal(scale=0.1, size=(3, model.layout.size)).astype(np.float32)

    def of_targets(row: Any) -> np.ndarray[Any, Any]:
        said = []
        for each in drawn:
            model.load_task_vector(each)
            logits = task.logits(model.module, to_device(task.score_batch([row]), model.weights.device)).detach()
            said.append(logits.double().softmax(1).numpy()[np.arange(row.targets), task.targets(row)])
        return np.mean(said, axis=0)

    expected = np.mean([np.exp(np.log(of_targets(row)).mean()) for row in encoded])
    for each in (Ensemble.MEAN, Ensemble.VOTE):
        assert language.score_of_several(list(drawn), encoded, each) == pytest.approx(expected, rel=1e-5)
    drawn_by_chance = language.score_of_several(list(drawn), encoded, Ensemble.DRAWN)
    assert drawn_by_chance != pytest.approx(expected, rel=1e-3)
    single = language.score_of_several(list(drawn[:1]), encoded, Ensemble.MEAN)
    assert single == pytest.approx(language.score(drawn[0], encoded), rel=1e-5)
