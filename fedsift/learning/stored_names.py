"""The names of a model's weights, from the headers of its safetensors files: without torch, in milliseconds."""

import fnmatch
import json
from collections.abc import Collection
from pathlib import Path

from safetensors import SafetensorError, safe_open

from fedsift.learning.model_location import PEOPLE_MODEL, WEIGHTS
from fedsift.learning.model_settings import HIDDEN, ModelSettings, split_at_commas


def may_be_tuned(settings: ModelSettings) -> bool:
    """Whether each pattern of `tune` fits a name in the weights, or these are elsewhere or in another format.

    A module may have other names than its weights, a prefix more or less: where this is false, the module has to tell.
    """
    patterns = [pattern for pattern in split_at_commas(settings.tune) if pattern != HIDDEN]
    names = stored_names(PEOPLE_MODEL if settings.model == "people" else Path(settings.model)) if patterns else ()
    return not names or all(fnmatch.filter(names, pattern) for pattern in patterns)


def stored_names(folder: Path) -> Collection[str]:
    """The names of all tensors in a folder's safetensors files; none where they cannot be read."""
    file, index = folder / WEIGHTS[0], folder / f"{WEIGHTS[0]}.index.json"
    try:
        if index.is_file():
            return list(json.loads(index.read_bytes())["weight_map"])
        with safe_open(file, framework="np") as opened:
            return list(opened.keys())
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return ()
