"""TOML as people write it: a file's text, and its keys, with every mistake told in one line."""

import tomllib
from pathlib import Path
from typing import Any

from fedsift.core.errors import BadInput

_LARGEST = 2**63  # TOML's whole numbers have 64 bits.


def read_text(path: Path, source: str) -> str:
    """A file's text, without a byte order mark; `source` begins every error.

    Raises:
        BadInput: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{source}: no UTF-8 at byte {error.start + 1}; save it as UTF-8") from error


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The keys of a text; `source` begins every error.

    Raises:
        BadInput: it is no TOML, or holds a whole number beyond 64 bits.
    """
    try:
        values = tomllib.loads(text)
        _check_numbers(values, source, "")
    except RecursionError as error:
        raise BadInput(f"{source}: brackets are nested too deep") from error
    except ValueError as error:  # No TOML; or Python makes no number of thousands of digits.
        raise BadInput(f"{source}: {error}") from error
    return values


def _check_numbers(value: Any, source: str, place: str) -> None:
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise BadInput(f"{source}: {place} is a whole number beyond 64 bits")
    if isinstance(value, dict):
        for key, each in value.items():
            _check_numbers(each, source, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for each in value:
            _check_numbers(each, source, place)
