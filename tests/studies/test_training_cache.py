"""Trainings and scores without a federation."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms
from fedsift.data.loading import load_dataset
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.models import load_layout, load_model
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.training_cache import Session, TrainingCache


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="module")
def cache(session: Session, tiny_config: RunConfig, folder: Path) -> Iterator[TrainingCache]:
    """Three clients on two workers."""
    config = dataclasses.replace(tiny_config, clients=3)
    with TrainingCache(config, folder, PhaseBars(), session) as cache:
        yield cache


def test_trainings_are_those_of_a_client_and_kept(cache: TrainingCache, folder: Path) -> None:
    config = cache.config

    def files() -> dict[Path, int]:
        kept = [*folder.glob("sign-fixed-3/*.vector"), *folder.glob("fine-tuned-3/*.vector")]
        return {file: file.stat().st_mtime_ns for file in kept}

    magnitudes = cache.sign_fixed(cache.clients)
    vector = cache.fine_tuned(cache.clients[:2])
    before = files()
    cache.sign_fixed(cache.clients)
    mirrored = cache.sign_fixed(cache.clients[:1], signs=-cache.signs, name="mirrored")
    assert len(before) == 3 + 2
    assert files() == before
    layout = load_layout(config.model_settings)
    terms = UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid)
    trainer = LocalTrainer(*load_model(config.model_settings), terms, config.tuning, config.seed)
    tuned = trainer.tune("client 0", load_dataset(config).train_examples("client 0"))
    np.testing.assert_array_equal(magnitudes("client 0"), tuned.magnitudes)
    assert (magnitudes("client 0") >= 0).all()
    assert vector("client 1").shape == (cache.size,)
    assert not np.array_equal(mirrored("client 0"), magnitudes("client 0"))


def test_a_grid_is_part_of_a_training_with_commit_steps(cache: TrainingCache, folder: Path) -> None:
    client = cache.clients[2]

    def magnitudes(levels: int, commit_steps: int) -> bytes:
        config = dataclasses.replace(cache.config, levels=levels, commit_share=commit_steps / cache.config.steps)
        return cache.sign_fixed([client], config=config)(client).tobytes()

    at_one, at_two = magnitudes(1, 2), magnitudes(2, 2)
    plain = [magnitudes(levels, 0) for levels in (1, 2)]
    assert cache.sign_fixed([client])(client).tobytes() == plain[0] == plain[1]
    assert len({at_one, at_two, plain[0]}) == 3
    kept = list(folder.glob("sign-fixed-3/client%202%20*"))
    assert len(kept) == 3
    assert magnitudes(1, 2) == at_one
    assert list(folder.glob("sign-fixed-3/client%202%20*")) == kept


def test_a_kept_training_is_of_these_rows_and_signs(cache: TrainingCache) -> None:
    """Under one id and name, other rows and other signs are another training."""
    rows = load_dataset(cache.config).train_examples
    trained = []
    for client_id in ("client 0", "client 1", "client 0"):
        cache.add_clients({"further": rows(client_id)})
        trained.append([cache.fine_tuned(["further"])("further").tobytes(), cache.pooled(["further"], 3).tobytes()])
    assert trained[0] == trained[2]
    assert all(first != other for first, other in zip(trained[0], trained[1], strict=True))
    faster = dataclasses.replace(cache.config, lr=2 * cache.config.lr)
    others = [
        cache.sign_fixed(["client 0"], signs=signs, name="other", config=config)("client 0").tobytes()
        for signs in (cache.signs, -cache.signs)
        for config in (None, faster)
    ]
    assert len(set(others)) == 4


@pytest.mark.slow
def test_what_was_kept_is_not_used_for_other_data_or_another_model(
    pool: WorkerPool, tiny_config: RunConfig, tiny_model: Path, tmp_path: Path
) -> None:
    """Rows that change hands, and weights that change in place: as trained from anew, by workers that start anew."""
    assert len(pool)  # Ray runs.
    model, table = shutil.copytree(tiny_model, tmp_path / "model"), tmp_path / "rows.csv"
    config = dataclasses.replace(tiny_config, dataset=str(table), model=str(model), workers=1)

    def trained(ann: str, bob: str) -> list[bytes]:
        table.write_text(f"who,question,answer\nann,{ann}\nbob,{bob}\n", encoding="utf-8")
        workers = nullcontext(WorkerPool("tests.client_app:app", 1))
        with TrainingCache(config, tmp_path / "kept", PhaseBars(), lambda *_: workers) as cache:
            vector = cache.fine_tuned(["ann", "bob"])
            return [vector(each).tobytes() for each in ("ann", "bob")]

    first = trained("aa,bb", "cc,dd")
    assert trained("cc,dd", "aa,bb") == first[::-1]  # Of a single row no seed decides the order.
    weights = load_file(model / "model.safetensors")
    save_file({name: value * 1.5 for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    assert not set(trained("aa,bb", "cc,dd")) & set(first)
    assert len(list((tmp_path / "kept").rglob("*.vector"))) == 6


def test_scores_come_by_client_and_name(cache: TrainingCache) -> None:
    vector = cache.fine_tuned(cache.clients, steps=30)
    requests = (
        (client_id, {"before": None, "after": vector(client_id), "zero": np.zeros(cache.size, np.float32)})
        for client_id in cache.clients
    )
    scores = cache.scores(requests, len(cache.clients))
    pooled = cache.pooled(cache.clients, 30)
    assert sorted(scores) == cache.clients
    for each in scores.values():
        assert each["before"] == each["zero"] < each["after"]
    assert pooled.shape == (cache.size,)
