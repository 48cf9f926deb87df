"""One training or evaluation row, as every data set hands it over."""

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple


class Example(NamedTuple):
    """A rendered prompt and the text that should follow it (it starts with its own space)."""

    prompt: str
    target: str


def examples_digest(examples: Iterable[Example]) -> bytes:
    """SHA-256 over the rows in their order, as JSON lines (32 bytes): a client's data, as its training saw it."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps([example.prompt, example.target]).encode() + b"\n")
    return digest.digest()
