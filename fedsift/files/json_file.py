"""JSON files that a later command goes on from: read whole and checked, before anything is changed."""

import dataclasses
import json
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from fedsift.core.errors import BadInput


def read_json(file: Path, shape: Any, mend: str) -> Any:
    """What a file holds.

    Args:
        file: that fedsift wrote.
        shape: as of `misfit`.
        mend: what to do about a file that is wrong; errors end with it.

    Raises:
        BadInput: it cannot be read, is no JSON, or holds something else.
    """
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}): {mend}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is damaged, it is no JSON ({error}): {mend}") from error
    if place := misfit(read, shape, file.stem):
        raise BadInput(f"{file} is damaged, or of another version, at {place}: {mend}")
    return read


def misfit(value: Any, shape: Any, place: str) -> str:
    """Where a value differs from its shape; empty where it does not.

    Args:
        value: as `json.loads` returns it.
        shape: a TypedDict, whose keys have to be there; a dataclass, whose fields have to be all there is; or a type
            made of None, bool, int, float, str, list, tuple, dict, | and Any. An int is a float, too.
        place: what to call the value itself.
    """
    parts: dict[Any, Any]
    kind, arguments = get_origin(shape) or shape, get_args(shape)
    if kind is UnionType:
        return "" if any(not misfit(value, each, place) for each in arguments) else place
    if is_typeddict(shape) or dataclasses.is_dataclass(shape):
        parts = get_type_hints(shape)
        exact = dataclasses.is_dataclass(shape)
        if not isinstance(value, dict) or parts.keys() - value.keys() or (exact and value.keys() - parts.keys()):
            return place
    elif kind is dict and isinstance(value, dict):
        parts = dict.fromkeys(value, arguments[1])
    elif kind is list and isinstance(value, list):
        parts = dict.fromkeys(range(len(value)), arguments[0])
    elif kind is tuple and isinstance(value, list) and len(value) == len(arguments):
        parts = dict(enumerate(arguments))
    else:
        return "" if kind is Any or type(value) in ((int, float) if kind is float else (kind,)) else place
    return next(filter(None, (misfit(value[key], part, f"{place}.{key}") for key, part in parts.items())), "")
