"""Trainings and scores without a federation."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fedsift.client import LocalTrainer
from fedsift.contribution import UploadTerms
from fedsift.models import load_layout, load_learner
from simulations.configuration import RunConfig
from simulations.data import load_dataset
from simulations.lab import Lab
from simulations.progress import PhaseBars
from simulations.worker_pool import WorkerPool


@pytest.fixture
def lab(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> Lab:
    return Lab(dataclasses.replace(tiny_config, clients=3), tmp_path, PhaseBars(Console(quiet=True)))


def test_trainings_are_those_of_a_client_and_kept(lab: Lab, tmp_path: Path) -> None:
    config = lab.config
    with lab:
        magnitudes = lab.sign_fixed(lab.clients)
        vector = lab.fine_tuned(lab.clients[:2])
        files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}
        lab.sign_fixed(lab.clients)
        again = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}
        signs = -lab.signs
        mirrored = lab.sign_fixed(lab.clients[:1], signs=signs, name="mirrored")
    assert len(files) == 3 + 2
    assert files == again
    layout = load_layout(config.model_settings)
    terms = UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid)
    trainer = LocalTrainer(*load_learner(config.model_settings), terms, config.tuning, config.seed)
    tuned = trainer.tune("client 0", load_dataset(config).train_examples("client 0"))
    np.testing.assert_array_equal(magnitudes("client 0"), tuned.magnitudes)
    assert (magnitudes("client 0") >= 0).all()
    assert vector("client 1").shape == (lab.size,)
    assert not np.array_equal(mirrored("client 0"), magnitudes("client 0"))


def test_a_grid_is_part_of_a_training_with_commit_steps(lab: Lab, tmp_path: Path) -> None:
    client = lab.clients[0]

    def magnitudes(levels: int, commit_steps: int) -> bytes:
        config = dataclasses.replace(lab.config, levels=levels, commit_share=commit_steps / lab.config.steps)
        return lab.sign_fixed([client], config=config)(client).tobytes()

    with lab:
        at_one, at_two = magnitudes(1, 2), magnitudes(2, 2)
        plain = [magnitudes(levels, 0) for levels in (1, 2)]
        assert lab.sign_fixed([client])(client).tobytes() == plain[0] == plain[1]
        assert len({at_one, at_two, plain[0]}) == 3
        assert len(list(tmp_path.rglob("*.npy"))) == 3
        assert magnitudes(1, 2) == at_one


def test_scores_come_by_client_and_name(lab: Lab) -> None:
    with lab:
        vector = lab.fine_tuned(lab.clients, steps=30)
        requests = (
            (client_id, {"before": None, "after": vector(client_id), "zero": np.zeros(lab.size, np.float32)})
            for client_id in lab.clients
        )
        scores = lab.scores(requests, len(lab.clients))
        pooled = lab.pooled(lab.clients, 30)
    assert sorted(scores) == lab.clients
    for each in scores.values():
        assert each["before"] == each["zero"] < each["after"]
    assert pooled.shape == (lab.size,)
