"""A tiny model and dataset made on the spot, and one Ray session for all tests that need workers."""

import os

from fedsift.learning.reproducibility import DEFAULT_PROFILE, PROFILES, make_deterministic

# What is trained in this process is held against workers and other processes bit by bit: all run under one profile,
# whatever the processor offers and whoever runs the tests has set. torch reads it when it is imported, as it is below.
os.environ.update(PROFILES[DEFAULT_PROFILE])

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack, chdir, nullcontext
from pathlib import Path

import pytest
from hypothesis import settings

from fedsift.configuration.run_config import RunConfig
from fedsift.runtime.ray_start import local_ray
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.training_cache import Session
from tests.cli.commands import SHELL
from tests.models import save_model

# A busy machine is no failure.
settings.register_profile("fast", deadline=None, max_examples=30)
settings.register_profile("exhaustive", deadline=None, max_examples=300)
settings.load_profile("fast")  # unless pytest is given --hypothesis-profile

make_deterministic()  # as workers are

_STARTS_WORKERS = (
    "runs.federate.ray_session",
    "runs.federate.local_session",
    "studies.comparison.compare.ray_session",
    "studies.optout.play_scenario.ray_session",
    "studies.optout.attacks.ray_session",
    "studies.tune.ray_session",
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-layer GPT-2 with tied embeddings and a byte tokenizer, as a folder in Hugging Face format."""
    return save_model(tmp_path_factory.mktemp("tiny-model"), "gpt2")


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clients of three rows each."""
    file = tmp_path_factory.mktemp("table") / "rows.jsonl"
    row = '{{"who": "client {0}", "question": "q{1}?", "answer": "{2}{2}{2}{1}"}}\n'.format
    file.write_text("".join(row(n, place, "abcdefgh"[n]) for place in range(3) for n in range(8)), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def tiny_config(tiny_model: Path, table_file: Path) -> RunConfig:
    """A run of a second or two."""
    return RunConfig(
        dataset=str(table_file),
        client_column="who",
        prompt="Q: {question}\nA:",
        target="answer",
        model=str(tiny_model),
        steps=3,
        workers=2,
    )


@pytest.fixture
def one_cannot_train(tiny_config: RunConfig, tmp_path: Path) -> RunConfig:
    """The tiny run with a further row of client 5, whose answer is none of the choices."""
    table = tmp_path / "rows.jsonl"
    rows = Path(tiny_config.dataset).read_text(encoding="utf-8").splitlines()
    choices = tuple(json.loads(row)["answer"] for row in rows)
    wrong = {"who": "client 5", "question": "q?", "answer": "no choice"}
    table.write_text("\n".join([*rows, json.dumps(wrong)]), encoding="utf-8")
    return dataclasses.replace(tiny_config, dataset=str(table), choices=choices, evaluate=False, test_share=0)


@pytest.fixture(scope="session", autouse=True)
def own_signing_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test makes or uses the signing key of whoever runs it; processes started by tests inherit this."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def own_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the shared workers run, for a user's own modules and files, each with a name of its own."""
    return tmp_path_factory.mktemp("own-code")


@pytest.fixture(scope="session")
def pool(own_code: Path) -> Iterator[WorkerPool]:
    """Two Ray workers that run `tests.client_app`, in a Ray with room for more."""
    with ExitStack() as stack:
        with chdir(own_code):
            variables = {"PYTHONPATH": str(Path(__file__).parents[1])}  # for `tests`
            stack.enter_context(local_ray(16, variables | SHELL))
        yield WorkerPool("tests.client_app:app", 2)


@pytest.fixture(scope="session")
def session(pool: WorkerPool) -> Session:
    """Hands these workers to who would start its own."""
    return lambda *_: nullcontext(pool)


@pytest.fixture(scope="session", autouse=True)
def shared_workers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Commands that run in this process take these workers instead of starting their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _STARTS_WORKERS:
            patch.setattr(f"fedsift.{name}", lambda *_: nullcontext(request.getfixturevalue("pool")))
        yield
