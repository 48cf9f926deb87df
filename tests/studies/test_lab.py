"""Trainings and scores without a federation."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms
from fedsift.data.loading import load_dataset
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.models import load_layout, load_learner
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.lab import Lab


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
    kept = list(folder.glob("sign-fixed-3/client%202%20*"))
    assert len(kept) == 3
    assert magnitudes(1, 2) == at_one
    assert list(folder.glob("sign-fixed-3/client%202%20*")) == kept


def test_a_kept_training_is_of_these_rows_and_signs(lab: Lab) -> None:
    """Under one id and name, other rows and other signs are another training."""
    rows = load_dataset(lab.config).train_examples
    trained = []
    for client_id in ("client 0", "client 1", "client 0"):
        lab.add_clients({"further": rows(client_id)})
        trained.append([lab.fine_tuned(["further"])("further").tobytes(), lab.pooled(["further"], 3).tobytes()])
    assert trained[0] == trained[2]
    assert all(first != other for first, other in zip(trained[0], trained[1], strict=True))
    faster = dataclasses.replace(lab.config, lr=2 * lab.config.lr)
    others = [
        lab.sign_fixed(["client 0"], signs=signs, name="other", config=config)("client 0").tobytes()
        for signs in (lab.signs, -lab.signs)
        for config in (None, faster)
    ]
    assert len(set(others)) == 4


@pytest.mark.slow
def test_what_was_kept_is_not_used_for_other_data_or_another_model(
    pool: WorkerPool, tiny_config: RunConfig, tiny_model: Path, tmp_path: Path
) -> None:
    """Rows that change hands, and weights that change in place: as trained from anew."""
    model, table = shutil.copytree(tiny_model, tmp_path / "model"), tmp_path / "rows.csv"
    config = dataclasses.replace(tiny_config, dataset=str(table), model=str(model), workers=1)

    def trained(ann: str, bob: str) -> list[bytes]:
        table.write_text(f"who,question,answer\nann,{ann}\nbob,{bob}\n", encoding="utf-8")
        with Lab(config, tmp_path / "kept", PhaseBars(Console(quiet=True))) as lab:
            vector = lab.fine_tuned(["ann", "bob"])
            return [vector(each).tobytes() for each in ("ann", "bob")]

    first = trained("aa,bb", "cc,dd")
    assert trained("cc,dd", "aa,bb") == first[::-1]  # Of a single row no seed decides the order.
    weights = load_file(model / "model.safetensors")
    save_file({name: value * 1.5 for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    assert not set(trained("aa,bb", "cc,dd")) & set(first)
    assert len(list((tmp_path / "kept").rglob("*.vector"))) == 6


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
