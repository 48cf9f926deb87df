"""The files of an exported model: weights, head, how prompts are made, and the card."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors
from torch import nn

from fedsift.configuration.run_config import RunConfig
from fedsift.core.blend import constants
from fedsift.core.head_statistics import CONSTANT, SCALE
from fedsift.data.kinds import kind_of
from fedsift.files.output import check_room
from fedsift.learning.hidden_states import joined_width
from fedsift.learning.model_settings import CLASSIFICATION
from fedsift.learning.saved_model import save_transformers
from fedsift.runs.model_card import model_card
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.served import Served, ServedHead

CARD = "README.md"


def write_files(out: Path, folder: RunFolder, config: RunConfig, client_id: str | None, served: Served) -> None:
    """Write all files into a folder.

    Raises:
        BadInput: the disk has not the room.
    """
    check_room(out, sum(each.numel() * each.element_size() for each in served.model.parameters()))
    settings, head = config.model_settings, served.head
    has_decoder = False
    if config.is_custom:
        _save_state(served.model, out / "model.safetensors")
        if head is not None:
            with served.base() as base:
                _save_state(base, out / "base.safetensors")
    else:
        has_decoder = save_transformers(settings, served.model, out, with_base=head is not None)
        served.tokenizer.save_pretrained(out)
        _save_json(_prompt_facts(config), out / "prompt.json")
    if head is not None:
        # Row by row: safetensors writes the memory as it lies.
        weights = np.ascontiguousarray(head.predictor.weights, np.float32)
        save_file({"weights": weights}, out / "head.safetensors")
        _save_json(_head_facts(config, served, head), out / "head.json")
    card = model_card(folder, config, client_id, served, has_decoder)
    (out / CARD).write_text(card, encoding="utf-8")


def _save_state(module: nn.Module, file: Path) -> None:
    """All of a module's state; each tensor as one of its own, since tuned ones are views of one buffer."""
    save_tensors({name: each.detach().cpu().clone() for name, each in module.state_dict().items()}, file)


def _save_json(facts: dict[str, Any], file: Path) -> None:
    file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _prompt_facts(config: RunConfig) -> dict[str, Any]:
    """prompt.json: what a model on texts is asked, as its rows were made; null where they came with their prompts."""
    template = kind_of(config.dataset).template(config)
    return {
        "prompt": template and template.prompt,
        "target": template and template.target,
        "messages": config.messages or None,
        "chat": config.chat,
        "system": config.system or None,
        "max_length": config.max_length,
        "labels": list(config.choices) or None,
    }


def _head_facts(config: RunConfig, served: Served, head: ServedHead) -> dict[str, Any]:
    """head.json: all that there is to the head beside its weights."""
    width, labels = head.predictor.weights.shape
    facts: dict[str, Any] = {
        "labels": list(config.choices) or None,
        "label_count": labels,
        "features": _features(config),
        "feature_count": width - 1,
        "scale": SCALE,
        "constant": CONSTANT / SCALE,
        "blend": head.blend._asdict(),
        "label_counts": head.predictor.label_counts.tolist() if config.choices or config.is_custom else None,
        "few_labels": head.predictor.has_few_labels,
        "base_answers": head.predictor.task.base_answers,
        "ridge": head.ridge,
        **constants(),
    }
    if not config.is_custom and config.task != CLASSIFICATION:
        text = served.model.config.get_text_config()  # type: ignore[operator, union-attr]
        facts["layers"] = joined_width(served.model.config) // text.hidden_size
    return facts


def _features(config: RunConfig) -> str:
    """How the features of a decision are made, in words."""
    made = "scaled to length 1, times `scale`, rounded, divided by `scale`; then `constant` is appended"
    if config.is_custom:
        return f"what the task's features(rows) makes of the base model; {made}"
    if config.task == CLASSIFICATION:
        return f"the base model's last hidden states, their mean over the text's tokens; {made}"
    where = "of the prompt's last position" if config.choices else "where each token is predicted"
    label = "" if config.choices else "; the label of a token is its id modulo `label_count`"
    states = f"the base model's hidden states {where}, of the last `layers` layers, each with root mean square 1"
    return f"{states}, side by side; {made}{label}"
