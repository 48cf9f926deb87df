"""One training or evaluation row, as every data set hands it over."""

from typing import NamedTuple


class Example(NamedTuple):
    """A rendered prompt and the text that should follow it (it starts with its own space)."""

    prompt: str
    target: str
