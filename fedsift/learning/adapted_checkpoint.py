"""A folder of peft's adapters as a model: they are merged into the model that they were trained on."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fedsift.core.errors import BadInput
from fedsift.core.extras import check_extra
from fedsift.learning.checkpoint import Checkpoint, untied_parameters
from fedsift.learning.checkpoint_check import LoadingInfo, some
from fedsift.learning.model_location import ADAPTERS

_NAMES_BASE = "base_model_name_or_path"
_GIVE = "give adapters as peft saves them, whose base is there"


@dataclass(frozen=True)
class AdaptedCheckpoint(Checkpoint):
    """Adapters over a base; `location` is the base's."""

    adapters: Path

    def module(self, kind: Any, dtype: torch.dtype) -> tuple[Any, LoadingInfo]:
        """The base with the adapters merged into its weights.

        Raises:
            BadInput: also where peft is not installed, or the adapters are not all there, of other layers than the
                base's, or of a kind that changes no weights.
        """
        check_extra(f"model {self.name!r}, which holds adapters,", "peft", "lora")
        import peft

        module, info = super().module(kind, dtype)
        with self.reading("adapters", _GIVE), warnings.catch_warnings(action="ignore", category=UserWarning):
            settings = peft.PeftConfig.from_pretrained(str(self.adapters))
            settings.inference_mode = True
            if hasattr(settings, "megatron_config"):
                settings.megatron_config = None  # It would have peft import a module that the file names.
            adapted = peft.get_peft_model(module, settings)
            if not hasattr(adapted, "merge_and_unload"):
                raise BadInput(f"model {self.name!r} holds adapters of type {_type(settings)}, which change no weights")
            weights = peft.load_peft_weights(str(self.adapters), device="cpu")
            expected = peft.get_peft_model_state_dict(adapted).keys()
            if other := sorted(weights.keys() ^ expected):
                what = "lack" if other[0] in expected else "have"
                raise BadInput(
                    f"model {self.name!r}: the adapters {what} {some(other)}: they are not whole, or of another model "
                    f"than their base {self.location!r} as --task takes it (they were made for {settings.task_type})"
                )
            peft.set_peft_model_state_dict(adapted, weights)
            merged = adapted.merge_and_unload()
        return merged, info._replace(untied=untied_parameters(self.outline(kind, dtype), merged))

    @property
    def tokenizer(self) -> Any:
        """The adapters' own, where they have one."""
        if (self.adapters / "tokenizer_config.json").is_file():
            return self.tokenizer_at({"pretrained_model_name_or_path": str(self.adapters)})
        return super().tokenizer


def open_checkpoint(name: str, location: str, only_outline: bool = False) -> Checkpoint:
    """A model by its folder, file or hub name; of adapters, with their base.

    Args:
        name: as the user gave it, for messages.
        location: of the model.
        only_outline: whether weights are neither needed nor looked at.

    Raises:
        BadInput: there is none, or something is not there.
    """
    folder = Path(location)
    try:
        text = (folder / ADAPTERS).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeError):
            raise BadInput(f"model {name!r}: {ADAPTERS} is no UTF-8 ({_GIVE})") from error
        return Checkpoint(name, location, only_outline=only_outline)
    try:
        base = json.loads(text)[_NAMES_BASE]
    except (ValueError, KeyError, TypeError, RecursionError):
        base = None
    if not isinstance(base, str) or not base or "\0" in base:
        raise BadInput(f"model {name!r}: {ADAPTERS} does not say the adapters' base ({_NAMES_BASE}); {_GIVE}")
    beside = folder / base  # As fedsift export writes them.
    found = beside if beside.exists() else Path(base)
    if found.exists() and found.resolve() == folder.resolve():
        raise BadInput(f"model {name!r} has adapters and their base in one folder: give each a folder of its own")
    try:
        location = str(found) if found.exists() else base
        return AdaptedCheckpoint(name, location, folder, only_outline=only_outline)
    except BadInput as error:
        raise BadInput(f"{error} (the base of the adapters in {name}, by {_NAMES_BASE} in {ADAPTERS})") from error


def _type(settings: Any) -> str:
    return str(getattr(settings.peft_type, "value", settings.peft_type))
