"""JSON that has one meaning: what other parsers could read otherwise is refused, and what could exhaust this one."""

import dataclasses
import json
import math
import re
from enum import StrEnum
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

LARGEST = 1 << 20  # bytes of a text that comes from others
_DEEPEST = 64
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Misfit(Exception):
    """A value is not of its kind; the message is its place."""


def parse_json(text: str | bytes, largest: int | None = None, own: bool = False) -> Any:
    """What a text says.

    Args:
        text: UTF-8 where it is bytes.
        largest: characters, or bytes, that it may have; None for any number.
        own: whether it is a file of ours: what Python writes beyond RFC 8259 (NaN, infinities, halves of surrogate
            pairs) is read then.

    Raises:
        ValueError: it is no JSON (RFC 8259) in UTF-8, or too large, or nested deeper than 64; an object has a key
            twice; a number is not finite; a text is no valid Unicode.
    """
    if largest is not None and len(text) > largest:
        raise ValueError(f"it is larger than {largest:,} bytes")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    if text.count("[") + text.count("{") > _DEEPEST:
        _check_depth(text)
    finite = {} if own else {"parse_constant": _no_number, "parse_float": _finite}
    read = json.loads(text, object_pairs_hook=_object, **finite)  # type: ignore[arg-type]
    if not own and (not text.isascii() or _SURROGATE.search(text)):
        try:
            json.dumps(read, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text in it is no valid Unicode") from error
    return read


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested deeper than {_DEEPEST}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"it has the key {twice!r} twice")
    return read


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def typed(value: Any, kind: Any, place: str) -> Any:
    """A value as `parse_json` returns it, made what it was before it was written.

    Args:
        value: the value.
        kind: a dataclass, whose fields have to be all there is; a text enum; or a type made of these, None, bool, int,
            float, str, list, tuple, dict with texts as keys, | and Any. An int is a float, too.
        place: what to call the value.

    Raises:
        Misfit: it is of another kind.
    """
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        for each in arguments:
            try:
                return typed(value, each, place)
            except Misfit as error:
                if str(error) != place:
                    raise
    elif dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = {each.name: hints[each.name] for each in dataclasses.fields(kind)}
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
    raise Misfit(place)
