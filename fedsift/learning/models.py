"""From settings to what a client trains: a base model, its tuned parameters, and the task."""

from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import HeadTerms
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.seeds import derive_seed
from fedsift.core.user_code import call_user_code
from fedsift.learning.adapted_checkpoint import open_checkpoint
from fedsift.learning.checkpoint import Checkpoint
from fedsift.learning.checkpoint_check import check_positions, check_vocabulary, check_weights
from fedsift.learning.compilation import compile_loss
from fedsift.learning.device import choose_attention, enough_memory, torch_device
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.hidden_states import joined_width
from fedsift.learning.lora import LORA_PARAMETERS, add_lora
from fedsift.learning.model_location import PEOPLE_MODEL
from fedsift.learning.model_settings import CLASSIFICATION, ModelSettings
from fedsift.learning.tasks.causal_lm import CausalLanguageModelling
from fedsift.learning.tasks.choices import Choices
from fedsift.learning.tasks.classification import Classification, TextClassifier
from fedsift.learning.tasks.own_task import OwnTask
from fedsift.learning.tasks.rendering import ChatTurns, PlainText, Rendering
from fedsift.learning.tasks.seq2seq import NO_LABEL, Seq2SeqLanguageModelling
from fedsift.learning.tasks.task import CustomTask, Task
from fedsift.learning.tuned_layers import chosen_layers

# Labels of a shared head at most: those of a larger vocabulary share them, by the remainder of their number.
_MOST_LABELS = 4096


@enough_memory()
def load_model(settings: ModelSettings) -> tuple[FlatModel, Task]:
    """The base model with its tuned parameters in a flat buffer, and the task.

    M0 is made on the CPU, and then moved: it has the same bits on every device.

    Raises:
        BadInput: there is no such model, task or device, they do not fit together, or the model is not whole.
    """
    device = torch_device(settings.device)
    if settings.is_custom:
        custom = _own_task(settings)
        own = custom.model(derive_seed(settings.seed, "model"))
        choose_attention(own, device)
        return FlatModel(own.to(device), chosen_layers(own, settings.tune)), custom
    checkpoint = _checkpoint(settings)
    kind = _kind(settings, checkpoint.config)
    loaded, info = checkpoint.module(kind, getattr(torch, settings.dtype))
    body = _body(settings, loaded)
    check_weights(settings.model, loaded, body, info, own_head=settings.task == CLASSIFICATION)
    tokenizer = checkpoint.tokenizer
    check_positions(settings.model, body, checkpoint.config, settings.max_length)
    check_vocabulary(settings.model, tokenizer, body)
    module = _complete(settings, checkpoint.config, body).eval()
    choose_attention(module, device)
    with checkpoint.reading("a first pass", "config.json describes a model that cannot run"):
        _pass_once(module)
    if settings.checkpointing:
        with checkpoint.reading("checkpointing", "leave checkpointing out"):
            texts = "texts" if settings.task == CLASSIFICATION else ""  # where the transformers model lies
            module.get_submodule(texts).gradient_checkpointing_enable({"use_reentrant": False})
    task = _task(settings, tokenizer, module)
    flat = FlatModel(module.to(device), _layout(module, settings))
    if settings.checkpointing:
        module.train()  # Checkpointing works in training mode only; dropout is off in the configuration.
    if settings.compile:
        compile_loss(flat, task, settings.choices)
    return flat, task


def load_layout(settings: ModelSettings) -> ParameterLayout:
    """The layout of the tuned parameters, from the model's configuration alone: no weights are read.

    Raises:
        BadInput: there is no such model or task, a pattern fits no parameter, or max-length is above the positions.
    """
    if settings.is_custom:
        return chosen_layers(_own_task(settings).model(derive_seed(settings.seed, "model")), settings.tune)
    return _layout(_outlined(settings, _checkpoint(settings)), settings)


class ModelSizes(NamedTuple):
    """How large a model is."""

    parameters: int  # of all of it that is used, with what a run adds
    tuned: int
    hidden_size: int
    layers: int
    head: HeadTerms | None  # of the shared head


def load_sizes(settings: ModelSettings) -> ModelSizes:
    """How large a model is, which need be no more than a configuration.

    Raises:
        BadInput: as of `load_layout`.
    """
    checkpoint = _checkpoint(settings, only_outline=True)
    module = _outlined(settings, checkpoint)
    config = checkpoint.config.get_text_config()
    return ModelSizes(
        sum(each.numel() for each in module.parameters()),
        _layout(module, settings).size,
        config.hidden_size,
        config.num_hidden_layers,
        _head_terms(settings, checkpoint),
    )


def _outlined(settings: ModelSettings, checkpoint: Checkpoint) -> Any:
    """The module that is trained, on the meta device."""
    body = _body(settings, checkpoint.outline(_kind(settings, checkpoint.config), getattr(torch, settings.dtype)))
    check_positions(settings.model, body, checkpoint.config, settings.max_length)
    with torch.device("meta"):
        return _complete(settings, checkpoint.config, body)


def load_head_terms(settings: ModelSettings) -> HeadTerms | None:
    """The shape of the shared head, from the model's configuration alone; None where there is none.

    Raises:
        BadInput: there is no such model or task.
    """
    if not settings.shared_head:
        return None
    if settings.is_custom:
        task = _own_task(settings)
        seed = derive_seed(settings.seed, "model")
        return HeadTerms(task.feature_size(seed) + 1, task.labels) if task.labels else None
    return _head_terms(settings, _checkpoint(settings))


def _head_terms(settings: ModelSettings, checkpoint: Checkpoint) -> HeadTerms | None:
    if not settings.shared_head:
        return None
    config = checkpoint.config
    with checkpoint.reading("config.json", "it describes no model that could have a shared head"):
        if settings.task == CLASSIFICATION:
            return HeadTerms(_text_width(config) + 1, len(settings.choices))
        vocabulary = config.get_text_config().vocab_size
        return HeadTerms(joined_width(config) + 1, len(settings.choices) or min(vocabulary, _MOST_LABELS))


def _text_width(config: Any) -> int:
    """Features of a text for a classification."""
    text_config = config.get_text_config()
    return int(getattr(text_config, "word_embed_proj_dim", text_config.hidden_size))


def load_whole(settings: ModelSettings) -> Any:
    """M0 as transformers knows it, on the CPU: with all its parts, and no head or adapters of a run.

    Raises:
        BadInput: there is no such model, or it is not whole.
    """
    checkpoint = _checkpoint(settings)
    return checkpoint.module(_kind(settings, checkpoint.config), getattr(torch, settings.dtype))[0].eval()


def load_tokenizer(settings: ModelSettings) -> Any:
    """The tokenizer of a model on texts; None for a task of one's own.

    Raises:
        BadInput: there is none, or it is damaged.
    """
    return None if settings.is_custom else _checkpoint(settings).tokenizer


def _checkpoint(settings: ModelSettings, only_outline: bool = False) -> Checkpoint:
    location = str(PEOPLE_MODEL) if settings.model == "people" else settings.model
    return open_checkpoint(settings.model, location, only_outline)


def _layout(module: nn.Module, settings: ModelSettings) -> ParameterLayout:
    return chosen_layers(module, LORA_PARAMETERS if settings.lora_rank else settings.tune)


def _kind(settings: ModelSettings, config: Any) -> Any:
    """Which of transformers' classes of models."""
    if settings.task == CLASSIFICATION:
        return AutoModel
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def _body(settings: ModelSettings, loaded: Any) -> Any:
    """What is used of a transformers model: all of it, or for a classification what makes hidden states of a text."""
    if settings.task != CLASSIFICATION:
        return loaded
    texts = loaded.get_encoder() if loaded.config.is_encoder_decoder else loaded
    if getattr(texts, "pooler", None) is not None:
        texts.pooler = None  # Not on the way from a text to its logits.
    return texts


def _complete(settings: ModelSettings, config: Any, body: Any) -> Any:
    """The module that is trained: with a classification head or adapters where asked for."""
    module = body
    if settings.task == CLASSIFICATION:
        module = TextClassifier(body, _text_width(config), len(settings.choices)).to(getattr(torch, settings.dtype))
    if settings.lora_rank:
        torch.manual_seed(derive_seed(settings.seed, "lora"))
        add_lora(body, settings.lora_rank)
    return module


@torch.no_grad()
def _pass_once(module: Any) -> None:
    """Run two tokens through the model: a configuration may describe one that cannot run."""
    ids = torch.zeros(1, 2, dtype=torch.long)
    if isinstance(module, TextClassifier):
        module(ids, torch.ones_like(ids))
    elif module.config.is_encoder_decoder:
        module(input_ids=ids, labels=torch.tensor([[NO_LABEL, 0]]), use_cache=False)
    else:
        module(input_ids=ids, use_cache=False)


def _task(settings: ModelSettings, tokenizer: Any, module: Any) -> Task:
    """The task, with the module's head made for it where it has one."""
    if settings.task == CLASSIFICATION:
        task = Classification(tokenizer, settings.choices, settings.max_length, settings.head == "label-text")
        if settings.head == "label-text":
            module.embed_labels(tokenizer, settings.choices, settings.max_length)
        else:
            module.draw_head(derive_seed(settings.seed, "head"))
        return task
    modelling: CausalLanguageModelling | Seq2SeqLanguageModelling
    if module.config.is_encoder_decoder:
        if settings.chat:
            raise BadInput(f"chat: model {settings.model!r} has an encoder and a decoder; chat is for causal models")
        modelling = Seq2SeqLanguageModelling(tokenizer, module, settings.max_length)
    else:
        rendering: Rendering = PlainText(tokenizer, closed=bool(settings.choices))
        if settings.chat:
            rendering = ChatTurns(tokenizer, settings.system, settings.model)
        modelling = CausalLanguageModelling(tokenizer, module, settings.max_length, rendering)
    return Choices(modelling, settings.choices) if settings.choices else modelling


def _own_task(settings: ModelSettings) -> OwnTask:
    task = call_user_code("task", settings.task, CustomTask)
    if not isinstance(task, CustomTask):
        raise BadInput(
            f"task {settings.task} returned {type(task).__name__}; expected a fedsift.CustomTask, which has model(), "
            "batch(rows), loss(model, batch) and scores(model, batch)"
        )
    return OwnTask(task, settings.task)


def metric_of(settings: ModelSettings) -> str:
    """What the task's scores are called; nothing is loaded for it."""
    if settings.is_custom:
        return _own_task(settings).metric
    if settings.choices:
        return Choices.metric
    return CausalLanguageModelling.metric
