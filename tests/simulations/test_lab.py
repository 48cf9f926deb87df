"""Trainings and scores without a federation."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fedsift.client import LocalTrainer
from fedsift.client_file import client_file
from fedsift.contribution import UploadTerms
from fedsift.models import load_layout, load_learner
from simulations.configuration import RunConfig
from simulations.data import load_dataset
from simulations.lab import Lab
from simulations.progress import PhaseBars
from simulations.worker_pool import WorkerPool


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="module")
def lab(pool: WorkerPool, tiny_config: RunConfig, folder: Path) -> Iterator[Lab]:
    """Three clients on two workers."""
    with Lab(dataclasses.replace(tiny_config, clients=3), folder, PhaseBars(Console(quiet=True))) as lab:
        yield lab


def test_trainings_are_those_of_a_client_and_kept(lab: Lab, folder: Path) -> None:
    config = lab.config

    def files() -> dict[Path, int]:
        kept = [*folder.glob("sign-fixed-3/*.vector"), *folder.glob("fine-tuned-3/*.vector")]
        return {file: file.stat().st_mtime_ns for file in kept}

    magnitudes = lab.sign_fixed(lab.clients)
    vector = lab.fine_tuned(lab.clients[:2])
    before = files()
    lab.sign_fixed(lab.clients)
    mirrored = lab.sign_fixed(lab.clients[:1], signs=-lab.signs, name="mirrored")
    assert len(before) == 3 + 2
    assert files() == before
    layout = load_layout(config.model_settings)
    terms = UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid)
    trainer = LocalTrainer(*load_learner(config.model_settings), terms, config.tuning, config.seed)
    tuned = trainer.tune("client 0", load_dataset(config).train_examples("client 0"))
    np.testing.assert_array_equal(magnitudes("client 0"), tuned.magnitudes)
    assert (magnitudes("client 0") >= 0).all()
    assert vector("client 1").shape == (lab.size,)
    assert not np.array_equal(mirrored("client 0"), magnitudes("client 0"))


def test_a_grid_is_part_of_a_training_with_commit_steps(lab: Lab, folder: Path) -> None:
    client = lab.clients[2]

    def magnitudes(levels: int, commit_steps: int) -> bytes:
        config = dataclasses.replace(lab.config, levels=levels, commit_share=commit_steps / lab.config.steps)
        return lab.sign_fixed([client], config=config)(client).tobytes()

    at_one, at_two = magnitudes(1, 2), magnitudes(2, 2)
    plain = [magnitudes(levels, 0) for levels in (1, 2)]
    assert lab.sign_fixed([client])(client).tobytes() == plain[0] == plain[1]
    assert len({at_one, at_two, plain[0]}) == 3
    assert len(list(folder.glob(f"sign-fixed-*/{client_file(folder, client, '.vector').name}"))) == 3
    assert magnitudes(1, 2) == at_one


def test_scores_come_by_client_and_name(lab: Lab) -> None:
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
