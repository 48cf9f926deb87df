"""What a plan takes from a model: its sizes, from its configuration alone."""

from collections.abc import Mapping
from typing import Any

from fedsift.core.errors import BadInput
from fedsift.core.options import hyphened
from fedsift.learning.model_settings import ModelSettings

MODEL_OPTIONS = ("model", "task", "choices", "tune", "lora_rank", "shared_head")
_FOLLOW = ("model_parameters", "tuned", "head_features", "head_labels")  # assumptions that a model says itself


def sizes_of_model(asked: Mapping[str, Any], assumed: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a model by name, hub name or folder, whose weights need not be there.

    Args:
        asked: those of `MODEL_OPTIONS` that were given, by name.
        assumed: the assumptions that were given, by name.

    Returns:
        "hidden_size" and "layers", and the assumptions `model_parameters`, `tuned`, `head_features` and `head_labels`;
        nothing where no model was given.

    Raises:
        BadInput: there is no such model, or what was given does not go together.
    """
    if not asked:
        return {}
    if "model" not in asked:
        raise BadInput(f"{hyphened(next(iter(asked)))} says what is tuned of a model: give --model, too")
    for name in _FOLLOW:
        if name in assumed:
            raise BadInput(f"{hyphened(name)} follows from --model: leave it out")
    # Whatever tokens a row has, the sizes are the same.
    settings = {"max_length": 2, **{name: assumed[name] for name in ("dtype",) if name in assumed}, **asked}
    from fedsift.learning.models import load_sizes  # torch: not for plans without a model

    sizes = load_sizes(ModelSettings.from_mapping({hyphened(key): each for key, each in settings.items()}, "options"))
    head = sizes.head
    return {
        "hidden_size": sizes.hidden_size,
        "layers": sizes.layers,
        "model_parameters": float(sizes.parameters),
        "tuned": float(sizes.tuned),
        **({"head_features": head.features - 1, "head_labels": head.labels} if head else {}),
    }
