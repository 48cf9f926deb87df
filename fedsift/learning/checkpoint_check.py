"""Whether a model's weights are all there, and whether tokenizer and rows fit it: said before anything is trained."""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput, counted

_SHOWN = 3  # names in a message
# How many times as many entries a configuration may describe as there are: what is dropped anyway (a decoder, a pooler)
# may be missing. Beyond, no memory is taken for it.
_MOST_ENTRIES = 4
_DEPTH = re.compile(
    r"^(num_|n_)?((hidden|encoder|decoder|local|routed)_)*(layers?|experts)$"
)  # What is made one by one, by its name in a configuration.


class LoadingInfo(NamedTuple):
    """How a checkpoint's names and shapes fit a module, by transformers' rules: renamed, tied and ignorable ones do."""

    missing: Collection[str]  # parameters and buffers that the checkpoint does not have
    unexpected: Collection[str]  # tensors that the module does not have
    mismatched: Collection[tuple[str, torch.Size, torch.Size]]  # name, shape in the checkpoint, shape in the module
    untied: Collection[str]  # tied by the configuration, but the checkpoint has another tensor


def check_depth(name: str, config: Any, stored: Mapping[str, Tensor]) -> None:
    """See that a configuration has no more layers than the weights have tensors, before a module is made of it.

    Raises:
        BadInput: it has.
    """
    for part in (config, config.get_text_config()):
        for key, value in part.to_dict().items():
            if _DEPTH.search(key) and isinstance(value, int) and value > len(stored):
                raise BadInput(
                    f"model {name!r}: config.json describes {counted(value, 'layer')} ({key}), but the weights have "
                    f"{counted(len(stored), 'tensor')}: give the config.json that belongs to them"
                )


def check_stored(name: str, outline: Any, stored: Mapping[str, Tensor]) -> None:
    """See that a checkpoint's tensors can be the weights of a module, before memory is taken for it.

    Both are on the meta device: `outline`, the module that the configuration describes, and the tensors.

    Raises:
        BadInput: the module is far larger, or some weights are no floating-point numbers, which transformers would
            convert without a word.
    """
    described, held = (sum(each.numel() for each in tensors) for tensors in (outline.parameters(), stored.values()))
    if described > _MOST_ENTRIES * held:
        largest, parameter = max(outline.named_parameters(), key=lambda named: named[1].numel())
        raise BadInput(
            f"model {name!r}: config.json describes {described:,} numbers, its largest parameter being {largest} of "
            f"{_shape(parameter.shape)}, but the weights hold {held:,}: give the config.json that belongs to them"
        )
    prefix = f"{outline.base_model_prefix}."
    known = {key.removeprefix(prefix) for key, _ in outline.named_parameters(remove_duplicate=False)}
    wrong = sorted(
        f"{key} ({str(tensor.dtype).removeprefix('torch.')})"
        for key, tensor in stored.items()
        if not tensor.is_floating_point() and key.removeprefix(prefix) in known
    )
    if wrong:
        raise BadInput(
            f"model {name!r}: the weights have {some(wrong)}: expected floating-point numbers; quantised or otherwise "
            "converted weights cannot be tuned"
        )


def check_weights(name: str, module: Any, body: nn.Module, info: LoadingInfo, own_head: bool) -> None:
    """See that a checkpoint has all of a model, nothing besides, and only numbers.

    Args:
        name: the model's, for people.
        module: as loaded.
        body: what is kept of it: itself, or a part.
        info: of its loading.
        own_head: whether the task puts a head of its own on it; then the one that the checkpoint has is not besides.

    Raises:
        BadInput: something is missing, has another shape, is there besides, or is no number.
    """
    tensors = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers())
    kept = {id(tensor) for tensor in [*body.parameters(), *body.buffers()]}
    missing = sorted(key for key in info.missing if id(tensors.get(key)) in kept)
    if missing:
        remedy = "give complete weights of what config.json describes, or the config.json that belongs to them"
        prefix = module.base_model_prefix
        if hasattr(module, prefix) and not any(key.startswith(f"{prefix}.") for key in missing):
            remedy = "they are of a model without this head; --task classification takes it, and makes one of its own"
        raise BadInput(f"model {name!r}: the weights lack {some(missing)}: {remedy}")
    if reshaped := [
        f"{key} is {_shape(there)} there, {_shape(asked)} by config.json{_keys_with(module.config, there, asked)}"
        for key, there, asked in sorted(info.mismatched)
        if id(tensors.get(key)) in kept
    ]:
        raise BadInput(f"model {name!r}: config.json is not that of the weights: {some(reshaped, '; ')}")
    if besides := sorted(key for key in info.unexpected if not _may_be_besides(key, module, own_head)):
        raise BadInput(
            f"model {name!r}: the weights have {some(besides)} besides what config.json describes; give the "
            "config.json that belongs to them, or leave these out of the weights"
        )
    if info.untied:
        raise BadInput(
            f"model {name!r}: by config.json {some(info.untied)} is tied to another parameter, but differs from it in "
            'the weights; set "tie_word_embeddings" to false in config.json, or leave it out of the weights'
        )
    # A sum takes no memory, and is no number where one of its terms is none.
    floats = {key: tensor for key, tensor in body.state_dict().items() if tensor.is_floating_point()}
    if broken := [key for key, each in floats.items() if not each.sum().isfinite() and not each.isfinite().all()]:
        raise BadInput(f"model {name!r}: the weights have NaN or infinity in {some(broken)}: give undamaged ones")


def check_positions(name: str, module: nn.Module, config: Any, max_length: int) -> None:
    """See that a model has a position for each token of a row.

    Raises:
        BadInput: it has fewer than `max_length`; the message names how many.
    """
    stated = getattr(config.get_text_config(), "max_position_embeddings", None)
    limits = [stated] if isinstance(stated, int) and stated > 0 else []
    for path, table in module.named_modules():
        if isinstance(table, nn.Embedding) and "position" in path.rpartition(".")[2]:
            # Some begin a few rows further on: BART and OPT at an offset, RoBERTa and the like after the padding.
            before = getattr(table, "offset", 0) + (0 if table.padding_idx is None else table.padding_idx + 1)
            limits.append(table.num_embeddings - before)
    positions = min(limits, default=max_length)
    if positions < max_length:
        advice = f"give --max-length {positions}"
        raise BadInput(f"max-length = {max_length}: model {name!r} has {positions} positions; {advice}")


def check_vocabulary(name: str, tokenizer: Any, body: Any) -> None:
    """See that a model has an embedding for each token of its tokenizer, and for those that it puts in by itself.

    Raises:
        BadInput: it has not; the message names both numbers.
    """
    try:
        rows = len(body.get_input_embeddings().weight)
    except NotImplementedError:  # CANINE reads characters without a table of them.
        return
    ids = [(index, repr(token)) for token, index in tokenizer.get_vocab().items()]
    if body.config.is_encoder_decoder:
        for key in ("pad_token_id", "decoder_start_token_id"):
            value = getattr(body.config, key, None) or 0
            if not isinstance(value, int):
                raise BadInput(f"model {name!r}: {key} in config.json is {value!r}: expected a whole number")
            ids.append((value, f"{key} in config.json"))
    beyond = sorted(each for each in ids if each[0] >= rows)
    if beyond:
        raise BadInput(
            f"model {name!r}: its token ids go up to {beyond[-1][0]}, its embeddings have "
            f"{counted(rows, 'row')}, for ids up to "
            f"{rows - 1}; {some([f'{token} ({index})' for index, token in beyond])} would have none: give the "
            "tokenizer that belongs to the model, resize its embeddings, or name other tokens in tokenizer_config.json"
        )


def _may_be_besides(key: str, module: Any, own_head: bool) -> bool:
    """Whether a tensor that the module does not have needs no mention."""
    if key in dict(module.named_buffers()) or key.endswith(".masked_bias"):
        return True  # Constants, which the module makes itself; the latter those of old GPTs.
    part = key.removeprefix(f"{module.base_model_prefix}.").partition(".")[0]
    return own_head and not hasattr(module, part)


def _keys_with(config: Any, there: torch.Size, asked: torch.Size) -> str:
    """Which entries of a configuration have the sizes in which it differs from the weights."""
    sizes = {size for size, other in zip(asked, there, strict=False) if size != other}
    values = config.get_text_config().to_dict().items()
    keys = [f"{key} = {value}" for key, value in values if type(value) is int and value in sizes]
    return f" ({', '.join(keys)})" if keys else ""


def _shape(shape: torch.Size) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def some(names: Collection[str], separator: str = ", ") -> str:
    """The first few names, with a count."""
    shown = separator.join([*names][:_SHOWN])
    return f"{shown}{separator}... ({len(names)} in all)" if len(names) > _SHOWN else shown
