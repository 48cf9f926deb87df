"""Adapters: what is merged is the mean of what the members learned."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tuning_settings import TuningSettings

CLIENTS = {
    "ann": [("What is the sky?", " blue"), ("And grass?", " red")],
    "bob": [("What is the sky?", " red"), ("Snow?", " white")],
    "cem": [("Is it late?", " no")],
}


def settings_of(model: Path) -> ModelSettings:
    return ModelSettings(model=str(model), max_length=32, lora_rank=3)


def updates(flat: FlatModel, task_vector: NDArray[np.float32]) -> dict[str, torch.Tensor]:
    """B A of every adapter, float64, by the name of its layer."""
    flat.load_task_vector(task_vector)
    found = {}
    for name, module in flat.module.named_modules():
        if hasattr(module, "lora_A"):
            found[name] = module.lora_B["default"].weight.double() @ module.lora_A["default"].weight.double()
    return found


def test_the_mean_of_the_task_vectors_is_the_mean_of_the_updates(tiny_model: Path) -> None:
    """As the product is of no two matrices that are both tuned."""
    flat, task = load_model(settings_of(tiny_model))
    tuner = FineTuner(flat, task, TuningSettings(steps=8, lr=0.05), 0)
    vectors = [tuner.fine_tune(name, tuner.encode(name, rows)) for name, rows in CLIENTS.items()]
    members = [updates(flat, vector) for vector in vectors]
    merged = updates(flat, np.mean(vectors, axis=0, dtype=np.float64).astype(np.float32))
    assert merged
    for name, update in merged.items():
        mean = torch.stack([each[name] for each in members]).mean(0)
        largest = mean.abs().max().item()
        assert largest > 1e-3  # something was learned
        torch.testing.assert_close(update, mean, rtol=0, atol=1e-5 * largest)


def test_an_adapter_starts_alike_for_all(tiny_model: Path) -> None:
    """A comes from the seed: the same in every process that loads the model, and part of M0's digest."""
    one, other = (load_model(settings_of(tiny_model))[0] for _ in range(2))
    frozen = {name: value for name, value in one.module.named_parameters() if ".lora_A." in name}
    assert frozen
    assert not any(value.requires_grad for value in frozen.values())
    again = dict(other.module.named_parameters())
    assert all(torch.equal(value, again[name]) for name, value in frozen.items())
    assert one.base_digest() == other.base_digest()
