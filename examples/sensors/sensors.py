"""A task of one's own: what is somebody doing, by the sensor on the wrist? And the people who wear one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsift import CustomTask, FunctionDataset

ACTIVITIES = ("rests", "walks", "runs", "climbs stairs")
SAMPLES = 64  # of a window of two seconds
PEOPLE = 40
NOISE = 0.8
Row = tuple[np.ndarray[Any, Any], int]


class Activity(CustomTask):
    """A row is a window, float32 of shape (3 axes, 64 samples), and the activity's number."""

    metric = "accuracy"
    labels = len(ACTIVITIES)

    def model(self) -> nn.Module:
        """A small convolutional network; its weights are drawn, so it knows nothing."""
        return nn.Sequential(
            nn.Conv1d(3, 32, 9),
            nn.ReLU(),
            nn.Conv1d(32, 32, 9, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(2),
            nn.Flatten(),
            nn.Linear(64, len(ACTIVITIES)),
        )

    def batch(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        """Tensors of several rows."""
        signals, activities = zip(*rows, strict=True)
        return torch.tensor(np.stack(signals)), torch.tensor(activities)

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """What is minimised."""
        signals, activities = batch
        return cross_entropy(model(signals), activities)

    def scores(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """One number a row: whether it is right."""
        signals, activities = batch
        return (model(signals).argmax(1) == activities).float()

    def targets(self, row: Row) -> list[int]:
        """The right label of each decision of a row; here there is one."""
        return [row[1]]

    def logits(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Of each row, shape (rows, labels)."""
        signals: Tensor = model(batch[0])
        return signals


def window(draw: np.random.RandomState, activity: int, pace: float, force: float, tilt: float) -> Row:
    """Two seconds of one person's activity, from a random moment on."""
    steps, swing, bounce = ((0.2, 0.1, 0.05), (1.8, 1.0, 0.6), (2.8, 1.6, 1.8), (1.4, 0.7, 1.3))[activity]
    time = 2 * np.pi * (pace * steps * np.linspace(0, 2, SAMPLES) + draw.rand())
    signal = force * np.stack([swing * np.sin(time), bounce * np.sin(2 * time), 0.5 * swing * np.cos(time)])
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    noisy = turn @ signal + np.array([[0], [1], [0]]) + NOISE * draw.randn(3, SAMPLES)
    return noisy.astype(np.float32), activity


def rows_of(number: int, unseen: bool) -> list[Row]:
    """Two windows of each activity to tune on, or five others of each to be scored on."""
    person = np.random.RandomState(number)
    manner = person.uniform(0.8, 1.25), person.uniform(0.7, 1.4), person.uniform(-0.6, 0.6)
    draw = np.random.RandomState([number, unseen])
    return [window(draw, activity, *manner) for activity in list(range(len(ACTIVITIES))) * (5 if unseen else 2)]


def clients() -> FunctionDataset:
    """People by id."""
    names = {f"person-{number:02d}": number for number in range(PEOPLE)}
    return FunctionDataset(
        list(names), train=lambda who: rows_of(names[who], False), test=lambda who: rows_of(names[who], True)
    )
