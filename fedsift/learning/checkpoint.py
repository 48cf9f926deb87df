"""A pretrained model: its files opened, with whatever is wrong in them raised as bad input."""

import json
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from logging import ERROR, getLogger
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import transformers
from huggingface_hub import try_to_load_from_cache
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer
from transformers.modeling_utils import load_state_dict
from transformers.utils import logging

from fedsift.core.errors import BadInput, FedsiftError
from fedsift.learning.checkpoint_check import LoadingInfo, check_depth, check_stored
from fedsift.learning.model_location import ENDINGS, WEIGHTS, check_location

GgufConfig = getattr(transformers, "GgufConfig", None)
# Newer versions of transformers else keep the weights quantised; older ones never do.
_DEQUANTISED = {"quantization_config": GgufConfig(dequantize=True)} if GgufConfig else {}
_GIVE = (
    "give a folder with config.json, weights and a tokenizer, or a hub name, of a causal or seq2seq language model; "
    "encoders are for --task classification"
)
_NOT_HERE = (
    "there is no folder or file of this name here, and on the hub only what can be reached: copy the model's folder "
    "here, or download it into the hub's cache (HF_HOME) where there is a network"
)
_OWN_CODE = (
    "code that comes with the model (auto_map), and such code is never run: give a model of an architecture that "
    "transformers has itself, or install the code as a module of yours and use it in a task, --task module:Class"
)
_COPY = "it is damaged or incomplete: copy it again"
_SENTENCE = re.compile(r"(?<=\w)[.!] (?=[A-Z])")


@dataclass(frozen=True)
class Checkpoint:
    """What a model is loaded from. No code that comes with it is run, and no pickle trusted."""

    name: str  # as the user gave it, for messages
    location: str  # a folder in Hugging Face format, a GGUF file, or a hub name
    only_outline: bool = field(default=False, kw_only=True)  # whether weights are neither needed nor looked at

    def __post_init__(self) -> None:
        """Look at the folder.

        Raises:
            BadInput: there is none, or something is not in it.
        """
        check_location(self.name, self.location, weights=not self.only_outline)
        logging.set_verbosity_error()
        getLogger("huggingface_hub").setLevel(ERROR)  # Without a network it would log each of its retries.
        logging.disable_progress_bar()

    @cached_property
    def _is_file(self) -> bool:
        """Whether it is one file, in GGUF."""
        return Path(self.location).is_file()

    @property
    def _source(self) -> dict[str, str]:
        """What transformers is told to load."""
        if not self._is_file:
            return {"pretrained_model_name_or_path": self.location}
        file = Path(self.location)
        return {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}

    @cached_property
    def config(self) -> Any:
        """The configuration, with dropout off.

        Raises:
            BadInput: there is none that transformers understands, or the weights are quantised.
        """
        is_here = Path(self.location).exists()
        with self.reading("config.json", _GIVE if is_here else _NOT_HERE):
            config = AutoConfig.from_pretrained(**self._source, trust_remote_code=False)
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

        Weights that are here are looked at, but not read.

        Raises:
            BadInput: the configuration describes no module, or another than the weights; or these are damaged.
        """
        config, looks = self.config, Path(self.location).exists() and not self.only_outline
        stored = self._stored() if looks else None
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
        # A bar of its own tells of de-quantising, whatever has been said of bars.
        with self.reading("weights", _GIVE), redirect_stderr(StringIO()) if self._is_file else nullcontext():
            module, info = kind.from_pretrained(
                **self._source,
                **(_DEQUANTISED if self._is_file else {}),
                config=self.config,
                dtype=dtype,
                trust_remote_code=False,
                weights_only=True,
                ignore_mismatched_sizes=True,  # They are named in our own error instead.
                output_loading_info=True,
            )
        if getattr(module, "_hf_peft_config_loaded", False):
            raise BadInput(f"model {self.name!r} has adapters on the hub: download it, and give its folder")
        if self._is_file:  # It is plain now, and so is what it is saved as.
            module.config.__dict__.pop("quantization_config", None)
            module.__dict__.pop("hf_quantizer", None)
        untied = untied_parameters(outline, module)
        return module, LoadingInfo(info["missing_keys"], info["unexpected_keys"], info["mismatched_keys"], untied)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, tried on a word.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        return self.tokenizer_at(self._source)

    def tokenizer_at(self, source: Mapping[str, str]) -> Any:
        """The tokenizer that transformers loads from there; raises as `tokenizer` does."""
        with self.reading("tokenizer", "give the model's own tokenizer files, complete"):
            tokenizer = AutoTokenizer.from_pretrained(**source, trust_remote_code=False)
            tokenizer("one")
            files = set(tokenizer.vocab_files_names.values())
        # Without its files transformers makes up a tokenizer that knows no words.
        where = source["pretrained_model_name_or_path"]
        if files and "gguf_file" not in source and not any(_has(where, file) for file in {*files, "tokenizer.json"}):
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
        """Every tensor of the weights, on the meta device: names, shapes and dtypes; no weight is read."""
        if self._is_file:
            with self.reading(Path(self.location).name, _COPY):
                from gguf import GGUFReader

                shapes = {each.name: each.shape.tolist() for each in GGUFReader(self.location).tensors}
                return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        folder, index = Path(self.location), {}
        name = next(name for name in WEIGHTS if any((folder / f"{name}{each}").is_file() for each in ENDINGS))
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


def untied_parameters(outline: Any, module: Any) -> list[str]:
    """Parameters that are tied to another in a module's outline, and not in the module."""
    tied = outline.all_tied_weights_keys.items()
    return sorted(name for name, other in tied if module.get_parameter(name) is not module.get_parameter(other))


def _has(location: str, file: str) -> bool:
    if Path(location).is_dir():
        return (Path(location) / file).is_file()
    return isinstance(try_to_load_from_cache(location, file), str)


def _reason(error: BaseException) -> str:
    """An error of a library in one line."""
    if isinstance(error, pickle.UnpicklingError):  # torch's own text recommends to run what is in the file.
        return "no file of plain tensors, or a damaged one"
    if isinstance(error, EOFError):
        return "the file ends too early"
    text = shorten(_SENTENCE.split(" ".join(str(error).split()))[0], 240)
    return text if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {text}"
