"""A model in Hugging Face format: its files opened, with whatever is wrong in them raised as bad input."""

import json
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from logging import ERROR, getLogger
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer
from transformers.modeling_utils import load_state_dict
from transformers.utils import logging

from fedsift.core.errors import BadInput, FedsiftError
from fedsift.learning.checkpoint_check import LoadingInfo, check_depth, check_stored

# transformers takes the first that is there.
_WEIGHTS, _ENDINGS = ("model.safetensors", "pytorch_model.bin"), ("", ".index.json")

_GIVE = (
    "give a folder with config.json, weights and a tokenizer, or a hub name, of a causal or seq2seq language model; "
    "encoders are for --task classification"
)
_OWN_CODE = (
    "code that comes with the model (auto_map), and such code is never run: give a model of an architecture that "
    "transformers has itself, or install the code as a module of yours and use it in a task, --task module:function"
)
_COPY = "it is damaged or incomplete: copy it again"
_SENTENCE = re.compile(r"(?<=\w)[.!] (?=[A-Z])")


@dataclass(frozen=True)
class Checkpoint:
    """A folder in Hugging Face format, or a hub name. No code that comes with it is run, and no pickle trusted."""

    name: str  # as the user gave it, for messages
    location: str  # the folder, or the hub name

    def __post_init__(self) -> None:
        """Look at the folder.

        Raises:
            BadInput: there is none, or something is not in it.
        """
        try:
            _check_folder(self.location)
        except OSError as error:  # A name that is too long, a folder without permission.
            raise BadInput(f"model {self.name!r}: {error.strerror}; give a folder or a hub name") from error
        logging.set_verbosity_error()
        getLogger("huggingface_hub").setLevel(ERROR)  # Without a network it would log each of its retries.
        logging.disable_progress_bar()

    @cached_property
    def config(self) -> Any:
        """The configuration, with dropout off.

        Raises:
            BadInput: there is none that transformers understands, or the weights are quantised.
        """
        with self.reading("config.json", _GIVE):
            config = AutoConfig.from_pretrained(self.location, trust_remote_code=False)
            values = config.to_dict()
        if values.get("quantization_config") is not None:
            raise BadInput(
                f"model {self.name!r} is quantised (its config.json has a quantization_config), and quantised weights "
                "cannot be tuned: give the model that it was made from, with --dtype bfloat16 where memory is short"
            )
        for name, value in values.items():
            if "drop" in name and isinstance(value, float):
                setattr(config, name, 0.0)
        return config

    def outline(self, kind: Any, dtype: torch.dtype) -> Any:
        """The module that the configuration describes, on the meta device: names and shapes, no weights.

        A folder's weights are looked at, but not read.

        Raises:
            BadInput: the configuration describes no module, or another than the weights; or these are damaged.
        """
        config, stored = self.config, self._stored() if Path(self.location).is_dir() else None
        if stored is not None:
            check_depth(self.name, config, stored)
        with self.reading("config.json", _GIVE), torch.device("meta"):
            outline = kind.from_config(config, dtype=dtype, trust_remote_code=False)
        if stored is not None:
            check_stored(self.name, outline, stored)
        return outline

    def module(self, kind: Any, dtype: torch.dtype) -> tuple[Any, LoadingInfo]:
        """The module with its weights on the CPU, and what transformers says of how names and shapes fitted.

        What is missing has been drawn at random: `checkpoint_check.check_weights` comes next.

        Raises:
            BadInput: files are missing, damaged, or not of this configuration.
        """
        outline = self.outline(kind, dtype)
        with self.reading("weights", _GIVE):
            module, info = kind.from_pretrained(
                self.location,
                config=self.config,
                dtype=dtype,
                trust_remote_code=False,
                weights_only=True,
                ignore_mismatched_sizes=True,  # They are named in our own error instead.
                output_loading_info=True,
            )
        if getattr(module, "_hf_peft_config_loaded", False):
            raise BadInput(_adapters(self.name))
        tied = outline.all_tied_weights_keys.items()
        untied = sorted(name for name, other in tied if module.get_parameter(name) is not module.get_parameter(other))
        return module, LoadingInfo(info["missing_keys"], info["unexpected_keys"], info["mismatched_keys"], untied)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, tried on a word.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        with self.reading("tokenizer", "give the model's own tokenizer files, complete"):
            tokenizer = AutoTokenizer.from_pretrained(self.location, trust_remote_code=False)
            tokenizer("one")
            files = set(tokenizer.vocab_files_names.values())
        # Without its files transformers makes up a tokenizer that knows no words.
        if files and not any(self._has(file) for file in {*files, "tokenizer.json"}):
            expected = f"tokenizer.json, or {', '.join(sorted(files))}"
            raise BadInput(f"model {self.name!r} has no tokenizer: expected {expected}")
        return tokenizer

    @contextmanager
    def reading(self, what: str, remedy: str) -> Iterator[None]:
        """Whatever transformers and its libraries raise on a user's files becomes one line. For their calls alone.

        They raise what they come across: KeyError, ZeroDivisionError, plain Exception, and Rust's panics. The line says
        what was read, and what would be right.
        """
        try:
            yield
        except FedsiftError:
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            if "custom code" in str(error):
                raise BadInput(f"model {self.name!r}: {what} asks for {_OWN_CODE}") from error
            raise BadInput(f"model {self.name!r} cannot be loaded: {what}: {_reason(error)} ({remedy})") from error

    def _stored(self) -> dict[str, Tensor]:
        """Every tensor in a folder's weights, on the meta device: names, shapes and dtypes; no weight is read."""
        folder, index = Path(self.location), {}
        name = next(name for name in _WEIGHTS if any((folder / f"{name}{each}").is_file() for each in _ENDINGS))
        files = [folder / name]
        if (folder / f"{name}.index.json").is_file():
            if files[0].is_file():
                raise BadInput(f"model {self.name!r} has both {name} and {name}.index.json: keep the one that is meant")
            with self.reading(f"{name}.index.json", _COPY):
                index = json.loads((folder / f"{name}.index.json").read_bytes())["weight_map"]
                if outside := sorted(file for file in index.values() if Path(file).name != file):
                    raise ValueError(f"it names {outside[0]!r}, which is not in the model's folder")
                files = sorted({folder / file for file in index.values()})
        stored: dict[str, Tensor] = {}
        for file in files:
            with self.reading(file.name, _COPY):
                tensors = load_state_dict(file, map_location="meta")
                if other := [type(each).__name__ for each in tensors.values() if not isinstance(each, Tensor)]:
                    raise TypeError(f"expected names with tensors, found a value of type {other[0]}")
                twice = sorted(tensors.keys() & stored.keys())
                stored |= tensors
            if twice:
                raise BadInput(f"model {self.name!r}: {twice[0]} is in {file.name} and in another file of the weights")
        if lacking := sorted(index.keys() - stored.keys()):
            raise BadInput(
                f"model {self.name!r}: {name}.index.json names {lacking[0]}, which is not in {index[lacking[0]]} "
                f"({len(lacking)} such); copy index and weights again"
            )
        return stored

    def _has(self, file: str) -> bool:
        if Path(self.location).is_dir():
            return (Path(self.location) / file).is_file()
        return isinstance(try_to_load_from_cache(self.location, file), str)


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
    if (folder / "adapter_config.json").is_file():
        raise BadInput(_adapters(location))
    if not (folder / "config.json").is_file():
        raise BadInput(f"model folder {location} has no config.json")
    if not any((folder / f"{name}{each}").is_file() for name in _WEIGHTS for each in _ENDINGS):
        raise BadInput(f"model folder {location} has no weights: expected model.safetensors or pytorch_model.bin")


def _adapters(name: str) -> str:
    return (
        f"model {name!r} holds adapters (adapter_config.json): merge them into their model first, with peft's "
        "merge_and_unload, and give the folder that this is saved to"
    )


def _reason(error: BaseException) -> str:
    """An error of a library in one line."""
    if isinstance(error, pickle.UnpicklingError):  # torch's own text recommends to run what is in the file.
        return "no file of plain tensors, or a damaged one"
    if isinstance(error, EOFError):
        return "the file ends too early"
    text = shorten(_SENTENCE.split(" ".join(str(error).split()))[0], 240)
    return text if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {text}"
