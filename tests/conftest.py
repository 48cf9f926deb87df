"""A tiny model and dataset made on the spot, and one Ray session for all tests that need workers."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
import torch
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from simulations.configuration import RunConfig
from simulations.ray_grid import WorkerPool

# A busy machine is no failure.
settings.register_profile("fedsift", deadline=None)
settings.load_profile("fedsift")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-layer GPT-2 with tied embeddings and a byte tokenizer, as a folder in Hugging Face format."""
    folder = tmp_path_factory.mktemp("tiny-model")
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<eos>"]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>").save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(alphabet), n_positions=96, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clients of three rows each."""
    file = tmp_path_factory.mktemp("table") / "rows.jsonl"
    rows = [
        {"who": f"client {client}", "question": f"q{row}?", "answer": f"{chr(97 + client) * 3}{row}"}
        for row in range(3)
        for client in range(8)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
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


@pytest.fixture(scope="session", autouse=True)
def own_signing_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test makes or uses the signing key of whoever runs it; processes started by tests inherit this."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    """Two Ray workers that run `tests.client_app`, in a Ray with room for more."""
    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    yield WorkerPool("tests.client_app:app", 2)
    ray.shutdown()


@pytest.fixture
def shared_workers(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process take these workers instead of starting their own."""

    @contextmanager
    def session(workers: int, profile: str) -> Iterator[WorkerPool]:
        yield pool

    for module in ("run", "check_data", "forget", "rebuild", "join", "verify"):
        monkeypatch.setattr(f"simulations.{module}.ray_session", session)
