"""Files of an experiment, its configuration, and mistakes told in one line."""

import csv
import dataclasses
import inspect
import json
import sys
from contextlib import AbstractContextManager
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.reproduction.reproduce import configuration, reproduce
from fedsift.studies.training_cache import Session, TrainingCache


def measure(cache: TrainingCache) -> Result:
    cache.fine_tuned(cache.clients[:1])
    both = {"name": "a, b", "x": [1, 2], "y": [0.5, len(cache.clients)]}
    return {"series": [both, {"name": "c", "x": ["z"], "y": [1]}]}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> str:
    """An experiment of the registry that trains one client."""
    experiment = Experiment(
        name="counted",
        kind=Kind.QUESTION,
        title="Counting clients",
        paper_found="Nothing of the kind.",
        defaults={"clients": 7, "lr": 1e-3},
        measure=measure,
        draw=lambda result, figure: figure.subplots().set_ylabel(result["metric"]),  # type: ignore[arg-type]
        found=lambda result: f"As in the paper: {result['clients']} clients.",
    )
    monkeypatch.setitem(EXPERIMENTS, "counted", experiment)
    return "counted"


def test_files(session: Session, tiny_config: RunConfig, counted: str, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, clients=3)
    result = reproduce(counted, config, tmp_path, PhaseBars(), session)
    assert json.loads((tmp_path / "counted.json").read_text(encoding="utf-8")) == json.loads(json.dumps(result))
    assert result["found"] == "As in the paper: 3 clients."
    assert result["metric"] == "answer probability"
    assert result["configuration"]["batch-size"] == 128
    rows = list(csv.reader((tmp_path / "counted.csv").open(encoding="utf-8")))
    assert rows == [["name", "x", "y"], ["a, b", "1", "0.5"], ["a, b", "2", "3"], ["c", "z", "1"]]
    assert (tmp_path / "counted.png").read_bytes().startswith(b"\x89PNG")
    assert "answer probability" in (tmp_path / "counted.svg").read_text(encoding="utf-8")
    words = (tmp_path / "counted.md").read_text(encoding="utf-8")
    assert "Nothing of the kind." in words
    assert "As in the paper: 3 clients." in words
    assert "clients = 3\n" in words


def test_the_workers_are_those_of_the_configuration(
    session: Session, tiny_config: RunConfig, counted: str, tmp_path: Path
) -> None:
    """As for `run`: so they have its device, a share of the GPUs, and its cluster."""
    asked: list[tuple[int, RunConfig]] = []

    def recorded(clients: int, config: RunConfig) -> AbstractContextManager[WorkerPool]:
        asked.append((clients, config))
        return session(clients, config)

    config = dataclasses.replace(tiny_config, clients=3)
    reproduce(counted, config, tmp_path, PhaseBars(), recorded)
    assert asked == [(3, config)]
    assert signature(reproduce).parameters["session"].default is ray_session


@pytest.mark.slow
def test_trainings_are_kept_for_other_experiments_of_the_same_clients(
    session: Session, tiny_config: RunConfig, counted: str, tmp_path: Path
) -> None:
    """What comes after a training does not change it."""

    def kept(**changes: Any) -> int:
        config = dataclasses.replace(tiny_config, clients=2, **changes)
        reproduce(counted, config, tmp_path, PhaseBars(), session)
        return len(list((tmp_path / "trainings").rglob("*.vector")))

    assert kept() == kept(levels=65535, localise="paper", commit_share=1.0) == 1


def test_defaults_are_those_of_the_generated_people(counted: str, table_file: Path) -> None:
    assert configuration(counted, {}).clients == 7
    given = configuration(counted, {"clients": 9, "batch-size": 5})
    assert (given.clients, given.lr, given.batch_size) == (9, 1e-3, 5)
    table = {"dataset": str(table_file), "client-column": "who", "prompt": "{question}", "target": "answer"}
    assert (configuration(counted, table).clients, configuration(counted, table).lr) == (0, RunConfig().lr)
    assert configuration(counted, {"dataset": "tofu"}).clients == 200


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_each_experiment_can_be_configured(name: str) -> None:
    experiment = EXPERIMENTS[name]
    assert experiment.name == name
    assert configuration(name, {}).dataset == "people"


def test_every_file_is_an_experiment_in_the_order_of_the_paper() -> None:
    files = list((Path(__file__).parents[3] / "simulations" / "figures").glob("[a-z]*.py"))
    figures = [f"fig{number}" for number in range(3, 14)]
    questions = ["determinism", "frontier", "heterogeneity", "published", "sign-vectors", "sums"]
    assert list(EXPERIMENTS) == [*figures, *questions, "bits", "grid", "served"]
    assert len(files) == len(EXPERIMENTS)


def test_unknown_experiment(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown experiment 'fig33'; did you mean 'fig3'"):
        reproduce("fig33", RunConfig(), tmp_path, PhaseBars())
    with pytest.raises(BadInput, match="unknown experiment"):
        configuration("figure nine", {})


def test_matplotlib_is_asked_for_before_anything_is_measured(
    tiny_config: RunConfig, counted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=r"pip install 'fedsift\[plots\]'"):
        reproduce(counted, tiny_config, tmp_path / "out", PhaseBars())
    assert not (tmp_path / "out").exists()


def test_a_mistake_in_the_data_is_told_without_the_workers_traceback(tiny_cache: TrainingCache) -> None:
    tiny_cache.add_clients({"careless": ["no pair"]})
    with pytest.raises(BadInput) as told:
        tiny_cache.fine_tuned(["careless"])
    assert str(told.value).startswith("client 'careless', row 1: 'no pair' is no pair (prompt, target)")
    assert "\n" not in str(told.value)


def test_data_that_are_not_there_and_a_file_for_a_folder(tiny_config: RunConfig, counted: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has 8 clients"):
        reproduce(counted, dataclasses.replace(tiny_config, clients=9), tmp_path / "out", PhaseBars())
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"out = .*file: cannot be written \(File exists\)"):
        reproduce(counted, tiny_config, tmp_path / "file", PhaseBars())


def test_who_judges_a_claim_says_what_would_have_failed() -> None:
    for experiment in EXPERIMENTS.values():
        assert bool(experiment.fails_if) == ("verdict(" in inspect.getsource(experiment.found)), experiment.name
