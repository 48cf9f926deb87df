"""Texts in CSV that a spreadsheet shows as they are, and never calculates.

A text whose first character that is no blank is one of = + - @ (or their full-width forms), or which begins with a tab
or a line end, would be a formula to a spreadsheet; it gets an apostrophe in front, and so does one that begins with an
apostrophe. To read a text back, take one apostrophe away where it begins with one. Numbers stay as they are.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

_CALCULATED = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]|[\t\r\n']")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """A table, its titles first; None and NaN are empty. Lines end with a newline, and no text ends one."""
    lines = []
    for row in rows:
        line = io.StringIO(newline="")
        cells = ["" if each is None or each != each else csv_cell(each) for each in row]
        csv.writer(line, lineterminator="\r\n").writerow(cells)  # So it quotes what has either of them.
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def csv_cell(value: T) -> T | str:
    """A value as it is to stand in a cell."""
    return f"'{value}" if isinstance(value, str) and _CALCULATED.match(value) else value


def value_of_cell(text: str) -> str:
    """The inverse of `csv_cell`, of a text."""
    return text.removeprefix("'")
