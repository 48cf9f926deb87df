"""Ways to change a model's folder, and what is then said of it."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_head_terms, load_layout, load_model

Damage = Callable[[Path], object]
WEIGHTS, BIN, INDEX = "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"
CLASSIFY: dict[str, Any] = {"task": "classification", "choices": ("a", "b")}


def settings_of(folder: Path, **options: Any) -> ModelSettings:
    return ModelSettings(model=str(folder), **{"max_length": 24, **options})


def told(folder: Path, **options: Any) -> str:
    """What is said of a model: one line, and the configuration alone gives the same layout or the same line."""
    settings = settings_of(folder, **options)
    with pytest.raises(BadInput) as caught:
        load_model(settings)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700
    try:
        load_layout(settings)
    except BadInput as error:
        assert str(error) == message
    with suppress(BadInput):
        load_head_terms(settings)
    return message


def weights(change: Callable[[dict[str, Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return damage


def without(*names: str) -> Damage:
    return weights(lambda tensors: [tensors.pop(name) for name in names])


def with_tensor(name: str, tensor: Tensor) -> Damage:
    return weights(lambda tensors: tensors.update({name: tensor}))


def entry(name: str, value: float) -> Damage:
    return weights(lambda tensors: tensors[name].view(-1).__setitem__(3, value))


def in_json(name: str, **values: Any) -> Damage:
    return lambda folder: (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | values))


def config(**values: Any) -> Damage:
    return in_json("config.json", **values)


def content(name: str, of: bytes | Callable[[bytes], bytes]) -> Damage:
    return lambda folder: (folder / name).write_bytes(of((folder / name).read_bytes()) if callable(of) else of)


def removed(*names: str) -> Damage:
    return lambda folder: [(folder / name).unlink() for name in names]


def pickled(of: Callable[[dict[str, Tensor]], object] = dict, **options: Any) -> Damage:
    """The weights as pytorch_model.bin."""

    def damage(folder: Path) -> None:
        torch.save(of(load_file(folder / WEIGHTS)), folder / BIN, **options)
        (folder / WEIGHTS).unlink()

    return damage


def saved_as(kind: str, **options: Any) -> Damage:
    """Weights that another class of the same family has written."""

    def damage(folder: Path) -> None:
        torch.manual_seed(0)
        getattr(transformers, kind).from_pretrained(folder).save_pretrained(folder, **options)

    return damage


def sharded(folder: Path) -> None:
    saved_as("LlamaForCausalLM", max_shard_size="4KB")(folder)
    (folder / WEIGHTS).unlink()
    assert (folder / shard(3)).is_file()


def shard(number: int) -> str:
    return f"model-{number:05}-of-00007.safetensors"


def index_entry(name: str, file: str) -> Damage:
    def damage(folder: Path) -> None:
        weight_map = json.loads((folder / INDEX).read_text())["weight_map"]
        in_json(INDEX, weight_map={**weight_map, name: file})(folder)

    return damage


def added_token(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(folder)


def post_processor(folder: Path) -> None:
    """One that Rust panics on."""
    single = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<none>", "type_id": 0}}]}
    in_json("tokenizer.json", post_processor={**single, "pair": [], "special_tokens": {}})(folder)


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("evil",)
