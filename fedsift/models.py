"""From settings to what a client trains: a base model, its tuned parameters, and the task."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.utils import logging

from fedsift.compilation import compile_loss
from fedsift.errors import BadInput
from fedsift.flat_model import FlatModel
from fedsift.lora import LORA_PARAMETERS, add_lora
from fedsift.model_settings import CLASSIFICATION, ModelSettings
from fedsift.parameter_layout import ParameterLayout, chosen_layers
from fedsift.seeds import derive_seed
from fedsift.tasks.causal_lm import CausalLanguageModelling
from fedsift.tasks.choices import Choices
from fedsift.tasks.classification import Classification, TextClassifier
from fedsift.tasks.own_task import OwnTask
from fedsift.tasks.seq2seq import Seq2SeqLanguageModelling
from fedsift.tasks.task import CustomTask, Task
from fedsift.user_code import call_user_code

PEOPLE_MODEL = Path(__file__).parent / "people" / "model"


def load_learner(settings: ModelSettings) -> tuple[FlatModel, Task]:
    """The base model with its tuned parameters in a flat buffer, and the task.

    Raises:
        BadInput: there is no such model, task or device, or they do not fit together.
    """
    device = torch_device(settings.device)
    if settings.is_custom:
        custom = _own_task(settings)
        module: Any = custom.model(derive_seed(settings.root_seed, "model"))
        return FlatModel(module.to(device), chosen_layers(module, settings.tune)), custom
    with _opening(settings.model) as location:
        module = _build(settings, location, with_weights=True).to(device)
        tokenizer = AutoTokenizer.from_pretrained(location)
        if settings.checkpointing:
            module.get_submodule(_text_model(settings)).gradient_checkpointing_enable({"use_reentrant": False})
    task = _task(settings, tokenizer, module.eval())
    flat = FlatModel(module, _layout(module, settings))
    if settings.checkpointing:
        module.train()  # Checkpointing works in training mode only; dropout is off in the configuration.
    if settings.compile:
        compile_loss(flat, task, settings.choices)
    return flat, task


def load_layout(settings: ModelSettings) -> ParameterLayout:
    """The layout of the tuned parameters, from the model's configuration alone: no weights are read.

    Raises:
        BadInput: there is no such model or task, or a pattern fits no parameter.
    """
    if settings.is_custom:
        return chosen_layers(_own_task(settings).model(derive_seed(settings.root_seed, "model")), settings.tune)
    with _opening(settings.model) as location, torch.device("meta"):
        return _layout(_build(settings, location, with_weights=False), settings)


def _layout(module: nn.Module, settings: ModelSettings) -> ParameterLayout:
    return chosen_layers(module, LORA_PARAMETERS if settings.lora_rank else settings.tune)


def _build(settings: ModelSettings, location: str, with_weights: bool) -> Any:
    """The module; with a classification head or adapters where asked for."""
    config = AutoConfig.from_pretrained(location)
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    if settings.task == CLASSIFICATION:
        kind = AutoModel
    else:
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    dtype = getattr(torch, settings.dtype)
    if with_weights:
        module = kind.from_pretrained(location, config=config, dtype=dtype)
    else:
        module = kind.from_config(config, dtype=dtype)
    if settings.task == CLASSIFICATION:
        texts = module.get_encoder() if config.is_encoder_decoder else module
        if getattr(texts, "pooler", None) is not None:
            texts.pooler = None  # Not on the way from a text to its logits.
        width = getattr(config, "word_embed_proj_dim", config.hidden_size)
        module = TextClassifier(texts, width, len(settings.choices)).to(dtype)
    if settings.lora_rank:
        torch.manual_seed(derive_seed(settings.root_seed, "lora"))
        add_lora(module.get_submodule(_text_model(settings)), settings.lora_rank)
    return module


def _text_model(settings: ModelSettings) -> str:
    """Where the transformers model lies within the module."""
    return "texts" if settings.task == CLASSIFICATION else ""


def _task(settings: ModelSettings, tokenizer: Any, module: Any) -> Task:
    """The task, with the module's head made for it where it has one."""
    if settings.task == CLASSIFICATION:
        task = Classification(tokenizer, settings.choices, settings.max_length)
        if settings.head == "label-text":
            module.embed_labels(tokenizer, settings.choices)
        else:
            module.draw_head(derive_seed(settings.root_seed, "head"))
        return task
    modelling: CausalLanguageModelling | Seq2SeqLanguageModelling
    if module.config.is_encoder_decoder:
        modelling = Seq2SeqLanguageModelling(tokenizer, settings.max_length)
    else:
        closed = bool(settings.choices)
        modelling = CausalLanguageModelling(tokenizer, module, settings.max_length, closed)
    return Choices(modelling, settings.choices) if settings.choices else modelling


def _own_task(settings: ModelSettings) -> OwnTask:
    task = call_user_code("task", settings.task)
    if not isinstance(task, CustomTask):
        raise BadInput(
            f"task {settings.task} returned {type(task).__name__}; expected a fedsift.tasks.task.CustomTask, which has "
            "model(), batch(rows), loss(model, batch) and scores(model, batch)"
        )
    return OwnTask(task, settings.task)


def torch_device(device: str) -> torch.device:
    """The device that a setting names, with "auto" resolved.

    Raises:
        BadInput: "cuda" where there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise BadInput("device = cuda: torch finds no GPU here; give cpu, or auto to take what there is")
    return torch.device("cuda" if device != "cpu" and available else "cpu")


def metric_of(settings: ModelSettings) -> str:
    """What the task's scores are called; nothing is loaded for it."""
    if settings.is_custom:
        return _own_task(settings).metric
    if settings.choices:
        return Choices.metric
    return CausalLanguageModelling.metric


@contextmanager
def _opening(model: str) -> Iterator[str]:
    """Where a model is loaded from, with failures to load it told as bad input."""
    location = str(PEOPLE_MODEL) if model == "people" else model
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
            "or the hub name of a causal or seq2seq language model)"
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
