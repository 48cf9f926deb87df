"""One training or evaluation row, as every data set hands it over."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from fedsift.errors import BadInput

_SHOWN = 60  # characters of a row in an error


class Example(NamedTuple):
    """A rendered prompt and the text that should follow it (it starts with its own space)."""

    prompt: str
    target: str


# What a client's data consist of: an Example, or a pair like it, for tasks on text; for a custom task, what that takes.
Row = Any


def as_example(row: Row) -> Example:
    """A row as a pair of texts.

    Raises:
        BadInput: it is something else, a text is empty, or one is no valid Unicode.
    """
    if not isinstance(row, tuple | list) or len(row) != 2 or not all(isinstance(text, str) and text for text in row):
        raise BadInput(f"{shown(row)} is no pair (prompt, target) of texts that are not empty")
    for text in row:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise BadInput(
                    f"{shown(row)} is no valid Unicode at character {error.start + 1}; decode the source as UTF-8"
                ) from error
    return Example(*row)


def shown(row: Row) -> str:
    """The beginning of a row, for an error."""
    text = repr(row[0] if isinstance(row, Example) else row)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def rows_digest(rows: Iterable[Row]) -> bytes:
    """SHA-256 over the rows in their order, as JSON lines (32 bytes): a client's data, as its training saw it.

    What JSON does not tell apart counts with more: bytes, arrays, tensors and NumPy scalars with their type, shape and
    bytes, a mapping with keys that are no texts with its keys' types.

    Raises:
        BadInput: a row holds something else.
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(_with_keys(row), default=_described).encode() + b"\n")
    return digest.digest()


def _with_keys(value: Any) -> Any:
    """A value in which mappings whose keys JSON would make texts are pairs of key and value."""
    if isinstance(value, dict):
        kept = {key: _with_keys(each) for key, each in value.items()}
        return kept if all(isinstance(key, str) for key in kept) else {"keys": list(kept), "values": [*kept.values()]}
    return [_with_keys(each) for each in value] if isinstance(value, list | tuple) else value


def _described(value: Any) -> list[Any]:
    if isinstance(value, bytes | bytearray):  # An array of them would lose what they end in.
        return ["bytes", len(value), hashlib.sha256(value).hexdigest()]
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"a row holds {shown(value)}, of which NumPy makes no array: {error}") from error
    if array.dtype.hasobject:
        raise BadInput(
            f"a row holds {shown(value)}, a {type(value).__name__}; expected texts, numbers or arrays of them"
        )
    return [array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
