"""JSON files that a later command goes on from: dataclasses, read whole and checked before anything is changed."""

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from fedsift.core.errors import BadInput, legible
from fedsift.core.strict_json import Misfit, parse_json, typed
from fedsift.files.output import write_whole

T = TypeVar("T")


def write_json(file: Path, value: Any, indent: int | None = None) -> None:
    """Write a dataclass; a reader finds the old file or the new one."""
    write_whole(file, json_text(value, indent) + "\n")


def json_text(value: Any, indent: int | None = None) -> str:
    """A dataclass as JSON."""
    return json.dumps(dataclasses.asdict(value), indent=indent)


def read_json(file: Path, kind: type[T], mend: str) -> T:
    """What `write_json` wrote, of a kind as of `typed`. Errors end with `mend`, what to do about a file that is wrong.

    Raises:
        BadInput: it cannot be read, is no JSON, or holds something else.
    """
    try:
        read = parse_json(file.read_bytes(), own=True)
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}): {mend}") from error
    except ValueError as error:
        raise BadInput(f"{file} is damaged, it is no JSON ({error}): {mend}") from error
    try:
        found: T = typed(read, kind, file.stem)
    except Misfit as error:
        raise BadInput(f"{file} is damaged, or of another version, at {error}{_lacks(read, kind)}: {mend}") from error
    return found


def _lacks(read: Any, kind: type[Any]) -> str:
    """What another version of a dataclass does not have, or has besides; empty for what is no such."""
    fields = {each.name for each in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    if not isinstance(read, dict) or not fields & read.keys():
        return ""
    parts = {"lacks": sorted(fields - read.keys()), "has": sorted(read.keys() - fields)}
    told = ", ".join(f"it {verb} {legible(names[0])}" for verb, names in parts.items() if names)
    return told and f" ({told})"
