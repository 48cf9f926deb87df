"""Base models and tokenizers through transformers, by folder or name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from fedsift.errors import BadInput
from fedsift.parameter_layout import ParameterLayout, hidden_layers

PEOPLE_MODEL = Path(__file__).parent / "people" / "model"


def model_location(model: str) -> str:
    """Where `model` is loaded from: the embedded model for "people", else the folder or hub name itself."""
    return str(PEOPLE_MODEL) if model == "people" else model


def load_model(model: str) -> tuple[Any, Any]:
    """The causal language model in float32 on the CPU, and its tokenizer.

    Args:
        model: "people" (the embedded one), a folder in Hugging Face format, or a hub name.

    Raises:
        BadInput: there is no such model, or its folder lacks something.
    """
    with _opening(model) as location:
        module = AutoModelForCausalLM.from_pretrained(location, dtype=torch.float32)
        return module, AutoTokenizer.from_pretrained(location)


def load_layout(model: str) -> ParameterLayout:
    """The layout of the model's hidden layers, from its configuration alone: no weights are read.

    Raises:
        BadInput: there is no such model, or its folder lacks something.
    """
    with _opening(model) as location, torch.device("meta"):
        config = AutoConfig.from_pretrained(location)
        return hidden_layers(AutoModelForCausalLM.from_config(config))


@contextmanager
def _opening(model: str) -> Iterator[str]:
    """The model's location, with failures to load from it told as bad input."""
    location = model_location(model)
    _check_folder(location)
    logging.set_verbosity_error()
    getLogger("huggingface_hub").setLevel(ERROR)  # Without a network it would tell of each of its retries.
    logging.disable_progress_bar()
    try:
        yield location
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(
            f"model {model!r} cannot be loaded: {reason} (give a folder with config.json, weights and a tokenizer, "
            "or the hub name of a causal language model)"
        ) from error


def _check_folder(location: str) -> None:
    if not location:
        raise BadInput('model is empty: give "people", a folder or a hub name')
    folder = Path(location)
    if not folder.exists():
        if os.sep in location and (folder.is_absolute() or location.startswith(".") or location.count("/") > 1):
            raise BadInput(f"model folder {location} does not exist")
        return  # A hub name: transformers finds it or says why not.
    if not folder.is_dir():
        raise BadInput(f"model {location} is a file; give the folder that holds config.json and the weights")
    if not (folder / "config.json").is_file():
        raise BadInput(f"model folder {location} has no config.json")
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "pytorch_model*.bin")):
        raise BadInput(f"model folder {location} has no weights: expected model.safetensors or pytorch_model.bin")
