"""Data sets from the Hugging Face hub."""

from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

from fedsift.core.errors import BadInput


def load_from_hub(name: str, revision: str | None = None) -> Any:
    """The train split, a `datasets.Dataset`, without bars and warnings; failures are told in one line.

    Args:
        name: "owner/name", with a subset as "owner/name:subset".
        revision: branch, tag or commit; None for the hub's own choice.

    Raises:
        BadInput: the hub does not hand it over, or there is a folder of that name, which would be taken for it.
    """
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    getLogger("huggingface_hub").setLevel(ERROR)  # Without a network it would tell of each of its retries.
    owner_and_name, _, subset = name.partition(":")
    if Path(owner_and_name).exists():
        advice = "give a file in it, or go elsewhere for the hub"
        raise BadInput(f"dataset {name}: {owner_and_name} is a folder here; {advice}")
    try:  # Of libraries alone: whatever they raise over a name and a network, is no fault of this code.
        return datasets.load_dataset(owner_and_name, subset or None, split="train", revision=revision)
    except Exception as error:
        lines = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"dataset {name} cannot be read from the hub: {lines[0]}") from error
