"""The model that a member is served, ready to be called."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedsift.core.errors import BadInput, Refused, unknown_name
from fedsift.core.ledger import Ledger
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import load_mask
from fedsift.core.server_state import ServerState
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.models import load_model, load_tokenizer
from fedsift.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Served:
    """A model as it is served.

    Attributes:
        model: a transformers model, a classifier over one, or the module of a task of one's own; in evaluation mode,
            with the served weights M0 + tau, on the run's device. It is a copy of its own.
        tokenizer: of a model on texts; None for a task of one's own.
        task_vector: tau, shape (n,), in the order of the tuned parameters.
    """

    model: nn.Module
    tokenizer: Any
    task_vector: NDArray[np.float32]


def served_model(path: Path, client_id: str | None) -> Served:
    """What a member of a run is served, from its mask and the server's sums; the merged model for None.

    Raises:
        BadInput: there is no such run, the client's mask is missing or damaged, or the model has other weights now.
        Refused: the client is no member.
    """
    folder, config = RunFolder.open(path)
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        state, model_digest = ServerState(ledger, config.merge_scale), ledger.get("model_digest", b"")
        if client_id is None:
            magnitudes = state.merged_magnitudes()
        elif client_id not in state.members:
            raise Refused(str(unknown_name("member", client_id, state.members)))
        else:
            localisation, mask = Localisation(config.localise), load_mask(folder.masks(), client_id, state.terms)
            sent = state.serve(client_id, mask.packed, localisation)
            magnitudes = localisation.localised(sent, mask, state.terms)
    settings = dataclasses.replace(config.model_settings, compile=False, checkpointing=False)
    flat, _ = load_model(settings)
    if model_digest and flat.base_digest() != model_digest:
        raise BadInput(f"model {config.model} has other weights now than those that members tuned; bring these back")
    signs = sign_vector(state.terms.sign_seed, state.terms.size)
    flat.load_magnitudes(torch.from_numpy(signs).to(flat.weights.device), magnitudes)
    for parameter in flat.module.requires_grad_(False).parameters():
        parameter.grad = None
    return Served(flat.module, load_tokenizer(settings), signs * magnitudes)
