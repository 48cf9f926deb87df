"""Whole runs and runs without a training, with few clients: every arm is real, in a process of its own."""

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.models import load_layout, load_model
from fedsift.learning.reproducibility import worker_environment
from fedsift.simulations.bench import overhead, runs
from fedsift.studies.bench.processes import ArmFailed, run_arm

BLAZEFL_PYTHON = os.environ.get("BLAZEFL_PYTHON", "")  # which needs a newer Python than fedsift, and its own packages


@pytest.fixture(scope="module")
def four(tiny_config: RunConfig) -> RunConfig:
    return dataclasses.replace(tiny_config, clients=4, lr=1e-3)


@pytest.mark.slow
def test_all_arms_run_and_two_of_them_have_the_same_sums(four: RunConfig) -> None:
    part = runs.measure_runs(four, rounds=1)
    found = {(each.arm, each.quantity): each.median for each in part.measurements}
    arms = ["fedsift", "stock Flower", "bare loop"] + ["pfl-research"] * runs.has_pfl_research()
    for arm in arms:
        assert 0 < found[arm, "after start-up"] < found[arm, "whole command"]
    assert 50 < found["fedsift", "server's peak memory"] < 5_000
    assert "fedsift and the bare loop: same sums" in part.notes
    assert "BlazeFL left out: --blazefl-python says where it is (docs/explanation/speed.md)" in part.notes


@pytest.mark.slow
def test_stock_flower_averages_plain_fine_tunings(four: RunConfig) -> None:
    parameters = load_layout(four.model_settings).size
    settings: dict[str, Any] = {"clients": 4, "workers": 2, "profile": four.profile, "parameters": parameters}
    told = run_arm("fedsift.simulations.bench.arms.stock_flower", four, **settings).told
    assert told["norm"] == pytest.approx(norm_of_mean(four), rel=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not BLAZEFL_PYTHON, reason="BLAZEFL_PYTHON names no Python with fedsift and blazefl")
def test_blazefl_averages_plain_fine_tunings(four: RunConfig) -> None:
    environment = worker_environment(four.profile, gpus=0)
    arm = "fedsift.simulations.bench.arms.blazefl_run"
    told = run_arm(arm, four, python=BLAZEFL_PYTHON, environment=environment).told
    assert told["norm"] == pytest.approx(norm_of_mean(four), rel=1e-3)


def norm_of_mean(config: RunConfig) -> float:
    """Of the mean of fine-tunings made here, in float64; arms have it up to other kernels' rounding."""
    model, task = load_model(config.model_settings)
    tuner, dataset = FineTuner(model, task, config.tuning, config.seed), load_dataset(config)
    rows = {each: dataset.train_examples(each) for each in dataset.client_ids[: config.clients]}
    task_vectors = [tuner.fine_tune(each, tuner.encode(each, rows[each])) for each in rows]
    return float(np.linalg.norm(np.mean(np.array(task_vectors, np.float64), axis=0)))


def test_a_python_without_blazefl_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"blazefl-python = .*No module named 'blazefl'; it needs fedsift and blazefl"):
        runs.check_blazefl(Path(sys.executable))
    with pytest.raises(BadInput, match=r"blazefl-python = .*nowhere: No such file or directory"):
        runs.check_blazefl(tmp_path / "nowhere")


@pytest.mark.slow
def test_overhead_of_twelve_clients(four: RunConfig) -> None:
    part = overhead.measure_overhead(four, rounds=1, clients=(12,))
    found = {(each.arm, each.quantity): each.median for each in part.measurements}
    for arm in ("fedsift, 12", "stock Flower, 12"):
        assert found[arm, "after start-up, a client"] > 0
        assert found[arm, "server's peak memory"] > 20


@pytest.mark.exhaustive
def test_an_arm_that_fails_is_told_in_a_line(four: RunConfig) -> None:
    broken = dataclasses.replace(four, model="/nowhere/at/all")
    with pytest.raises(ArmFailed, match=r"fedsift_run: .*model folder /nowhere/at/all does not exist"):
        run_arm("fedsift.simulations.bench.arms.fedsift_run", broken)
