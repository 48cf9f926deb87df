"""A table, and how it is written: values as they are for CSV, formatted for LaTeX and the page."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pandas import DataFrame

from fedsift.core.errors import visible
from fedsift.files.csv_cells import csv_text
from fedsift.runs.scores import decimals

_LONGEST_TABULAR = 40  # rows; more of them go over several pages, as a longtable
_NEGATIVE = re.compile(r"-\d[\d,.]*$")
_DIGEST_SHOWN = 16  # of 64; the rest is in the CSV
# Kinds whose values are an `Interval`: of a score, of a difference, which has a sign, and of any number.
_INTERVALS = ("interval", "distance", "mean")
_LONGEST_REASON = 300  # characters; the rest is in the CSV


class Interval(NamedTuple):
    """An estimate and its confidence interval: three columns in CSV, one cell for people. NaN where it has no ends."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.shown(decimals)

    def shown(self, number: Callable[[float], str]) -> str:
        """For people, each number as a function writes it."""
        ends = "" if math.isnan(self.low) else f" ({number(self.low)} to {number(self.high)})"
        return number(self.value) + ends


@dataclass(frozen=True)
class Column:
    """A column."""

    key: str  # its name in CSV
    title: str  # for people
    kind: str = "text"  # how its values are shown, a key of `_SHOWN`

    @property
    def numeric(self) -> bool:
        """Whether its cells are set to the right."""
        return self.kind in ("quantity", "amount", "score", "change", "times", *_INTERVALS, "recovery")

    def shown(self, value: Any) -> str:
        """A value for people, in one line."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return _NONE.get(self.kind, "-")
        return _SHOWN[self.kind](value)


@dataclass(frozen=True)
class Table:
    """A table; each row has as many values as there are columns."""

    name: str  # of its files
    title: str  # for people
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]

    def column(self, key: str) -> list[Any]:
        """The values of a column."""
        place = [column.key for column in self.columns].index(key)
        return [row[place] for row in self.rows]

    def cells(self) -> list[list[str]]:
        """All values for people."""
        return [[column.shown(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def to_csv(self) -> str:
        """Values as of `csv_text`, nothing where there is none; an interval's ends are columns of their own."""
        columns: dict[str, Sequence[Any]] = {}
        for column in self.columns:
            values = self.column(column.key)
            if column.kind in _INTERVALS:
                for place, end in enumerate(("", "_low", "_high")):
                    columns[f"{column.key}{end}"] = [None if each is None else each[place] for each in values]
            else:
                columns[column.key] = [_plain(each) if isinstance(each, list) else each for each in values]
        return csv_text([columns, *zip(*columns.values(), strict=True)])

    def to_latex(self) -> str:
        """A tabular with booktabs' rules, or a longtable."""
        long = len(self.rows) > _LONGEST_TABULAR
        titles = [_latex(each.title) for each in self.columns]
        cells = DataFrame([map(_latex, row) for row in self.cells()], columns=titles)
        alignment = "".join("r" if column.numeric else "l" for column in self.columns)
        packages = r"\usepackage{booktabs,longtable}" if long else r"\usepackage{booktabs}"
        latex = cells.to_latex(index=False, escape=False, column_format=alignment, longtable=long)
        return f"% {packages}\n{latex}"


def human_change(value: float) -> str:
    """A difference with its sign, to three places."""
    rounded = round(value, 3)
    return f"{rounded:+.3f}" if rounded else "0.000"


def one_place(value: float) -> str:
    """A mean of whole numbers."""
    return f"{value:,.1f}".removesuffix(".0")


def last_line(text: str) -> str:
    """The last line of a text that is not empty (of a traceback, the error itself), cut where it is long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = visible(lines[-1]) if lines else ""
    return last if len(last) <= _LONGEST_REASON else f"{last[:_LONGEST_REASON]}..."


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _quantity(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


_SHOWN: dict[str, Callable[[Any], str]] = {
    "text": lambda value: " ".join(_plain(value).split()),
    "reason": last_line,
    "code": lambda value: _plain(value).replace("\n", "\\n"),
    "path": _plain,
    "digest": lambda value: f"{value[:_DIGEST_SHOWN]}...",
    "answer": _plain,
    "check": _plain,
    "quantity": _quantity,
    "recovery": _quantity,
    "amount": lambda value: f"{value:,.3f}" if value < 100 else f"{value:,.0f}",
    "score": decimals,
    "change": human_change,
    "times": lambda value: f"{value:,.1f}",
    "interval": str,
    "mean": lambda value: value.shown(one_place),
    "distance": lambda value: f"{human_change(value[0])} ({human_change(value[1])} to {human_change(value[2])})",
}
_NONE = {"check": "not run", "recovery": "not recovered", "reason": ""}

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\char34{}",
        "'": r"\textquotesingle{}",
        "`": r"\textasciigrave{}",
        # After the end of a row these would be its options.
        "[": "{[}",
        "]": "{]}",
        "*": "{*}",
        "-": "-{}",  # no ligature
        "\ufffd": "?",
        **{special: f"\\{special}" for special in "&%$#_"},
    }
)


def _latex(cell: str) -> str:
    minus = r"$-$" if _NEGATIVE.match(cell) else ""
    return minus + cell[bool(minus) :].translate(_LATEX)
