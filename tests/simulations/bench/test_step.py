"""The arms of the tuning step, on a tiny model."""

import dataclasses
import time

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.models import load_layout, load_model
from fedsift.simulations.bench.arms import step_arms
from fedsift.simulations.bench.arms.step_arms import BFLOAT16, COMMITTED, EAGER, PLAIN, SIGN_FIXED, THREADS, USUAL
from fedsift.simulations.bench.step import measure_step


@pytest.fixture
def subject(tiny_config: RunConfig) -> step_arms.Subject:
    settings = dataclasses.replace(tiny_config.model_settings, max_length=48)
    rows = load_dataset(tiny_config).train_examples("client 0")
    return step_arms.Subject(settings, rows, tiny_config.tuning, tiny_config.grid, slow_steps=2, rounds=2, seconds=0.01)


def test_every_arm_takes_its_steps(subject: step_arms.Subject) -> None:
    arms, start_up, name = step_arms.arms_of(subject, compiled=False)
    assert list(arms) == [SIGN_FIXED, COMMITTED, PLAIN, USUAL, step_arms.USUAL_CUT, EAGER, BFLOAT16, THREADS]
    assert start_up == {}
    slow = {USUAL, step_arms.USUAL_CUT, BFLOAT16, THREADS}
    passes: list[str] = []
    hook = register_module_forward_hook(lambda module, *_: passes.append(type(module).__name__))
    try:
        for name_of_arm, arm in arms.items():
            passes.clear()
            arm()
            # One step to warm up, and then as many as are timed at once, again and again.
            timed, at_once = passes.count("GPT2Model") - 1, 2 if name_of_arm in slow else 3
            assert timed >= at_once
            assert timed % at_once == 0
    finally:
        hook.remove()
    assert name.endswith(" tuned")
    large, _, _ = step_arms.arms_of(subject._replace(is_large=True), compiled=False)
    assert list(large) == [SIGN_FIXED, COMMITTED, PLAIN, USUAL, step_arms.USUAL_CUT, THREADS]


def test_time_is_divided_by_the_steps_taken() -> None:
    taken: list[int] = []

    def work(steps: int) -> None:
        taken.append(steps)
        time.sleep(0.002 * steps)

    told = step_arms.per_step(work, 5, seconds=0.015)()
    assert taken[:2] == [1, 5]
    assert set(taken[1:]) == {5}
    assert told >= 2  # milliseconds: it sleeps no shorter


def test_arms_that_do_not_apply_are_left_out(subject: step_arms.Subject) -> None:
    """Plain fine-tuning has no float32 magnitudes beside bfloat16 weights."""
    halved = subject._replace(settings=dataclasses.replace(subject.settings, dtype="bfloat16"))
    arms, _, _ = step_arms.arms_of(halved, compiled=False)
    assert list(arms) == [SIGN_FIXED, COMMITTED, EAGER, THREADS]


@pytest.mark.slow
def test_the_whole_part(tiny_config: RunConfig) -> None:
    """About three minutes: one model is large."""
    part = measure_step(tiny_config, rounds=1)
    sizes = (load_layout(tiny_config.model_settings).size, 100_096, 18_915_328)
    tiny, small, large = columns = [f"{size:,} tuned" for size in sizes]
    arms: dict[str, set[str]] = {}
    for each in part.measurements:
        arms.setdefault(each.quantity, set()).add(each.arm)
        assert each.median > 0
    assert arms.keys() == {*columns, step_arms.START_UP}
    assert arms[step_arms.START_UP] == {SIGN_FIXED, step_arms.COMPILED}
    assert arms[tiny] == arms[small] | {step_arms.COMPILED}
    assert arms[large] == arms[small] - {EAGER, BFLOAT16}
    assert part.measurements[0].arm == SIGN_FIXED


def test_the_usual_loop_optimises_the_same(subject: step_arms.Subject) -> None:
    """Same rows, same loss, Adam with the same settings: the losses before each step agree up to rounding."""
    model, task = load_model(subject.settings)
    encoded = [task.encode(row) for row in subject.rows]
    another, _ = load_model(subject.settings)
    usual = step_arms.usual_loop(another.module, encoded, subject.settings.max_length, 4, 1e-3)
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
