"""The arms of the tuning step, on a tiny model."""

import dataclasses

import pytest
import torch

from fedsift.fine_tuning import FineTuner
from fedsift.models import load_learner
from simulations.bench import step_arms
from simulations.bench.step_arms import BFLOAT16, EAGER, PLAIN, SIGN_FIXED, THREADS, USUAL, Subject
from simulations.configuration import RunConfig
from simulations.data import load_dataset


@pytest.fixture
def subject(tiny_config: RunConfig) -> Subject:
    settings = dataclasses.replace(tiny_config.model_settings, max_length=48)
    rows = load_dataset(tiny_config).train_examples("client 0")
    return Subject(settings, rows, tiny_config.tuning, tiny_config.tuning, 1)


def test_every_arm_takes_its_steps(subject: Subject) -> None:
    arms, start_up, name = step_arms._arms(subject, compiled=False)
    assert list(arms) == [SIGN_FIXED, PLAIN, USUAL, EAGER, BFLOAT16, THREADS]
    assert all(arm() > 0 for arm in arms.values())
    assert torch.get_num_threads() == 1 or THREADS not in arms
    assert start_up == {}
    assert name.endswith(" tuned")


def test_the_usual_loop_optimises_the_same(subject: Subject) -> None:
    """Same rows, same loss, Adam with the same settings: the losses before each step agree up to rounding."""
    model, task = load_learner(subject.settings)
    encoded = [task.encode(row) for row in subject.rows]
    model.load_base()
    usual = step_arms.usual_loop(model.module, encoded, subject.settings.max_length, 4, 1e-3)
    tuner = FineTuner(model, task, subject.tuning, 0)
    ours = []
    for steps in range(4):
        if steps:
            model.load_task_vector(tuner.fine_tune("bench", encoded, steps=steps, lr=1e-3))
        else:
            model.load_base()
        with torch.no_grad():
            ours.append(task.loss(model.module, task.batch(encoded)).item())
    assert usual == pytest.approx(ours, rel=1e-4)
    assert usual[-1] < usual[0]
