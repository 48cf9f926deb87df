"""`fedsift export`: what a member is served, or what everybody else is, as a folder that works without fedsift."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors
from torch import nn

from fedsift.configuration.run_config import RunConfig
from fedsift.core.blend import constants
from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import CONSTANT, SCALE
from fedsift.files.output import clear, make_empty, output_errors
from fedsift.learning.hidden_states import joined_width
from fedsift.learning.model_settings import CLASSIFICATION
from fedsift.learning.saved_model import save_transformers
from fedsift.runs.model_card import model_card
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.served import Served, ServedHead, served_model

CARD = "README.md"


@dataclass(frozen=True)
class Exported:
    """A model that was exported."""

    path: str  # the folder
    member: str | None  # who is served it; None for the merged model
    state_digest: str  # of the state that it was made from, in hexadecimal
    files: dict[str, int]  # sizes in bytes, by name


def export(path: Path, client_id: str | None, out: Path) -> Exported:
    """Write what a member of a run is served, or for None what everybody else is, into a new or empty folder.

    The folder has a model in the Hugging Face format (with LoRA a PEFT adapter), its tokenizer, where there is one the
    shared head, and a card whose lines predict from these as the client is served (docs/explanation/served.md).
    It is written whole or not at all. Nothing of it is kept in the run.

    Raises:
        BadInput: it is no run, something in it is missing or damaged, or the folder cannot be written or is in the run.
        Refused: the client is no member.
    """
    folder, config = RunFolder.open(path)
    if out.resolve().is_relative_to(path.resolve()):
        raise BadInput(f"out = {out}: it lies in the run, which is to keep nothing of those who leave; give another")
    served = served_model(path, client_id)
    parameters = sum(each.numel() * each.element_size() for each in served.model.parameters())
    made = make_empty(out, parameters)
    try:
        with output_errors(out), TemporaryDirectory(prefix=".fedsift-", dir=out) as unfinished:
            _write(Path(unfinished), folder, config, client_id, served)
            for each in sorted(Path(unfinished).iterdir(), key=lambda file: file.name == CARD):  # the card last
                shutil.move(each, out / each.name)
    except BaseException:
        clear(out, made)
        raise
    files = {str(file.relative_to(out)): file.stat().st_size for file in sorted(out.rglob("*")) if file.is_file()}
    return Exported(str(out), client_id, served.state_digest, files)


def _write(out: Path, folder: RunFolder, config: RunConfig, client_id: str | None, served: Served) -> None:
    """Write all files into a folder."""
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
    if head is not None:
        # Row by row: safetensors writes the memory as it lies.
        weights = np.ascontiguousarray(head.predictor.weights, np.float32)
        save_file({"weights": weights}, out / "head.safetensors")
        text = json.dumps(_head_facts(config, served, head), indent=1)
        (out / "head.json").write_text(text + "\n", encoding="utf-8")
    card = model_card(folder, config, client_id, served, has_decoder)
    (out / CARD).write_text(card, encoding="utf-8")


def _save_state(module: nn.Module, file: Path) -> None:
    """All of a module's state; each tensor as one of its own, since tuned ones are views of one buffer."""
    save_tensors({name: each.detach().cpu().clone() for name, each in module.state_dict().items()}, file)


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
        "max_length": config.max_length,
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
