"""JSON files that a later command goes on from: dataclasses, read whole and checked before anything is changed."""

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fedsift.core.errors import BadInput
from fedsift.files.output import write_whole

T = TypeVar("T")


class _Misfit(Exception):
    """A value is not of its kind; the message is its place."""


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
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}): {mend}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is damaged, it is no JSON ({error}): {mend}") from error
    try:
        found: T = typed(read, kind, file.stem)
    except _Misfit as error:
        raise BadInput(f"{file} is damaged, or of another version, at {error}: {mend}") from error
    return found


def typed(value: Any, kind: Any, place: str) -> Any:
    """A value as `json.loads` returns it, made what it was before it was written.

    Args:
        value: the value.
        kind: a dataclass, whose fields have to be all there is; a text enum; or a type made of these, None, bool, int,
            float, str, list, tuple, dict with texts as keys, | and Any. An int is a float, too.
        place: what to call the value.

    Raises:
        _Misfit: it is of another kind.
    """
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        for each in arguments:
            try:
                return typed(value, each, place)
            except _Misfit as error:
                if str(error) != place:
                    raise
    elif dataclasses.is_dataclass(kind):
        fields = get_type_hints(kind)
        if isinstance(value, dict) and value.keys() == fields.keys():
            return origin(**{name: typed(value[name], each, f"{place}.{name}") for name, each in fields.items()})
    elif origin is dict and isinstance(value, dict):
        return {key: typed(each, arguments[1], f"{place}.{key}") for key, each in value.items()}
    elif origin is list and isinstance(value, list):
        return [typed(each, arguments[0], f"{place}.{number}") for number, each in enumerate(value)]
    elif origin is tuple and isinstance(value, list) and len(value) == len(arguments):
        return tuple(
            typed(each, part, f"{place}.{i}") for i, (each, part) in enumerate(zip(value, arguments, strict=True))
        )
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        if value in list(kind):
            return kind(value)
    elif type(value) in ((int, float) if kind is float else (kind,)) or (value is None and kind is type(None)):
        return value
    raise _Misfit(place)
