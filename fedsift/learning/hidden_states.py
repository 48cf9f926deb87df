"""The features of a language model: its hidden states, one beside the other."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# Features at most, where a layer does not have more: G grows with their square.
_MOST_FEATURES = 1024


def joined_states(states: Sequence[Tensor]) -> Tensor:
    """The last layers' states, as many as fit, each brought to the same size (root mean square 1) and put side by side.

    Args:
        states: of the embeddings and of each layer, each of shape (decisions, width).

    Returns:
        float32 of shape (decisions, layers * width).
    """
    used = states[-_layers(len(states), states[-1].shape[-1]) :]
    return torch.cat([_normed(each.float()) for each in used], dim=-1)


def joined_width(config: Any) -> int:
    """How many features `joined_states` gives, by a transformers model's configuration."""
    text = config.get_text_config()
    layers = getattr(text, "num_decoder_layers", None) if config.is_encoder_decoder else None
    layers = text.num_hidden_layers if layers is None else layers
    last = getattr(text, "word_embed_proj_dim", text.hidden_size)  # OPT's last states may be of another width.
    return int((_layers(layers + 1, last) - 1) * text.hidden_size + last)


def _layers(available: int, width: int) -> int:
    return min(available, max(1, _MOST_FEATURES // width))


def _normed(state: Tensor) -> Tensor:
    return state * torch.rsqrt(state.square().mean(-1, keepdim=True).clamp_min(1e-12))
