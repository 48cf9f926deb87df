"""One training or evaluation row, as every data set hands it over."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedsift.core.errors import BadInput, invalid_character, unknown_name

_SHOWN = 60  # characters of a row in an error


class Example(NamedTuple):
    """A rendered prompt and the text that should follow it (it starts with its own space)."""

    prompt: str  # what the model is given
    target: str  # what it is to say


# What a client's data consist of: an Example, a pair like it, or a conversation, for tasks on text; for a custom task,
# what that takes.
Row = Any
Message = dict[str, Any]  # a turn of a conversation: role and content, both texts, and whatever else a template reads
ASSISTANT = "assistant"  # whose turns are learnt


def as_example(row: Row) -> Example:
    """A row as a pair of texts.

    Raises:
        BadInput: it is something else, a text is empty, or one is no valid Unicode.
    """
    if is_conversation(row):
        raise BadInput(f"{shown(row)} is a conversation, which the model's chat template renders: give --chat")
    if not isinstance(row, tuple | list) or len(row) != 2 or not all(isinstance(text, str) and text for text in row):
        raise BadInput(f"{shown(row)} is no pair (prompt, target) of texts that are not empty")
    for text in row:
        if place := invalid_character(text):
            raise BadInput(f"{shown(row)} is no valid Unicode at character {place}; decode the source as UTF-8")
    return Example(*row)


def is_conversation(row: Row) -> bool:
    """Whether a row is a list of turns, and no pair of texts."""
    return isinstance(row, tuple | list) and bool(row) and all(isinstance(each, Mapping) for each in row)


def as_conversation(row: Row) -> list[Message]:
    """A row as turns up to the one to learn, which is the last of the assistant's; what follows on it is left out.

    A pair of texts is a user's turn and the assistant's.

    Raises:
        BadInput: it is something else, a turn lacks role or content, or no turn of the assistant's follows on another.
    """
    if not is_conversation(row):
        example = as_example(row)
        pair = {"user": example.prompt, ASSISTANT: example.target.strip()}
        return [{"role": role, "content": content} for role, content in pair.items()]
    turns = [{key: value for key, value in turn.items() if value is not None} for turn in row]
    for number, turn in enumerate(turns, start=1):
        for key in ("role", "content"):
            text = turn.get(key)
            if not isinstance(text, str) or not text:
                raise BadInput(f"turn {number} of {shown(row)} has no text as its {key}")
            if place := invalid_character(text):
                raise BadInput(f"turn {number} of {shown(row)} is no valid Unicode at character {place}")
    last = max((place for place, turn in enumerate(turns) if turn["role"] == ASSISTANT), default=0)
    if not last:
        raise BadInput(f"{shown(row)} has no turn of the assistant's that follows on another, so nothing to learn")
    return turns[: last + 1]


def answer_of(row: Row) -> str:
    """The text that is learnt of a row, without white space around it; raises as `as_conversation`."""
    content: str = as_conversation(row)[-1]["content"]
    return content.strip()


def choice_of(target: str, choices: Sequence[str]) -> int:
    """The place of the choice that a target is.

    Raises:
        BadInput: it is none of them.
    """
    if target not in choices:
        raise BadInput(f"target: {unknown_name('choice', target, choices)}")
    return choices.index(target)


def shown(row: Row) -> str:
    """The beginning of a row, for an error."""
    text = repr(row[0] if isinstance(row, Example) else row)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def rows_digest(rows: Iterable[Row]) -> bytes:
    """SHA-256 over the rows in their order, as JSON lines (32 bytes): a client's data, as its training saw it.

    What JSON does not know counts too: bytes; arrays, tensors and NumPy scalars with their type, shape and bytes; keys
    of mappings that are no texts.

    Raises:
        BadInput: a row holds something else.
    """
    digest = hashlib.sha256()
    for row in rows:
        try:
            line = json.dumps(_with_pairs(row), default=_described)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, a list that holds itself
            raise BadInput(f"a row is no JSON: {error}") from error
        digest.update(line.encode() + b"\n")
    return digest.digest()


def _with_pairs(value: Any) -> Any:
    """A value in which mappings are lists of pairs: JSON would make texts of all keys."""
    if isinstance(value, dict):
        return {"pairs": [[_with_pairs(key), _with_pairs(each)] for key, each in value.items()]}
    return [_with_pairs(each) for each in value] if isinstance(value, list | tuple) else value


def _described(value: Any) -> dict[str, Any]:
    if isinstance(value, bytes | bytearray):  # An array of them would lose what they end in.
        return {"bytes": hashlib.sha256(value).hexdigest()}
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"a row holds {shown(value)}, of which NumPy makes no array: {error}") from error
    if array.dtype.hasobject:
        expected = "texts, numbers or arrays of them"
        raise BadInput(f"a row holds {shown(value)}, a {type(value).__name__}; expected {expected}")
    return {"array": [array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()]}
