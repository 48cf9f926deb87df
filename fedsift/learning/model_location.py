"""Where a model lies: what can be said of that at once, without the libraries that read it."""

import os
from pathlib import Path

from fedsift.core.errors import BadInput
from fedsift.core.extras import check_extra
from fedsift.learning.cpp_compiler import cpp_compiler
from fedsift.learning.model_settings import ModelSettings

PEOPLE_MODEL = Path(__file__).parent / "people_model"
ADAPTERS = "adapter_config.json"  # is in a folder of peft's adapters
# transformers takes the first that is there.
WEIGHTS, ENDINGS = ("model.safetensors", "pytorch_model.bin"), ("", ".index.json")
SUPPORTED = (
    "a folder in Hugging Face format (config.json, a tokenizer, model.safetensors or pytorch_model.bin, whole or in "
    "shards), one of peft's adapters (adapter_config.json), a .gguf file, or a hub name"
)
_GGUF = b"GGUF"  # how such a file begins
# What models of other programs, or parts of one, end in.
_OF_MODELS = (".gguf", ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".msgpack", ".npz", ".tflite")


def check_location(name: str, location: str, weights: bool = True) -> None:
    """See that a model is where it is said to be, and that all its kinds of files are there.

    Args:
        name: as the user gave it, for messages.
        location: a folder in Hugging Face format, a GGUF file, or a hub name.
        weights: whether they are needed.

    Raises:
        BadInput: there is none, or something is not in it.
    """
    try:
        _check(location, weights)
    except OSError as error:  # A name that is too long, a folder without permission.
        raise BadInput(f"model {name!r}: {error.strerror}; give a folder or a hub name") from error


def check_given(settings: ModelSettings) -> None:
    """What `check_location` sees of the model that was given, and what training takes besides: peft, a compiler.

    Nothing is looked at of adapters, and of a model of one's own.
    """
    if not settings.is_custom:
        check_model(settings.model)
    if settings.lora_rank:
        check_extra("lora-rank", "peft", "lora")
    if settings.compile:
        cpp_compiler()


def check_model(model: str) -> None:
    """What `check_location` sees of a model that is none of one's own; of adapters nothing."""
    if model != "people" and not (Path(model) / ADAPTERS).is_file():
        check_location(model, model)


def _check(location: str, weights: bool) -> None:
    if not location:
        raise BadInput('model is empty: give "people", a folder, a .gguf file or a hub name')
    folder = Path(location)
    if not folder.exists():
        if folder.suffix == ".gguf":
            raise BadInput(f"model file {location} does not exist")
        if os.sep in location and (folder.is_absolute() or location.startswith(".") or location.count("/") > 1):
            raise BadInput(f"model folder {location} does not exist")
        return  # A hub name: transformers finds it or says why not.
    if not folder.is_dir():
        _check_file(folder)
    elif not (folder / "config.json").is_file():
        raise BadInput(f"model folder {location} has no config.json{_found(folder)}; give {SUPPORTED}")
    elif weights and not any((folder / f"{name}{each}").is_file() for name in WEIGHTS for each in ENDINGS):
        raise BadInput(
            f"model folder {location} has no weights: expected model.safetensors or pytorch_model.bin, whole or in "
            f"shards{_found(folder)}"
        )


def _check_file(file: Path) -> None:
    """See that a file is in GGUF, and that it can be read here."""
    with file.open("rb") as opened:
        start = opened.read(len(_GGUF))
    if start != _GGUF:
        what = "begins unlike a GGUF file" if file.suffix == ".gguf" else "is a file of a kind that is not read alone"
        raise BadInput(f"model {file} {what}; give {SUPPORTED}")
    check_extra(f"model {file}", "gguf", "gguf")


def _found(folder: Path) -> str:
    """Which files of models a folder has instead."""
    files = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in _OF_MODELS)
    if not files:
        return ""
    remedy = f", as {folder / files[0]}" if files[0].endswith(".gguf") else ""
    return f", but it holds {files[0]}{remedy}"
