"""Figures that are measured in turn, and the table of them: a row an arm, a column a quantity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from textwrap import fill, wrap
from typing import Any, TypeVar

from rich.table import Table

from fedsift.studies.number_text import three_digits

T = TypeVar("T")
_WIDTH = 80  # characters of a line
_PADDING = 2  # of a column


@dataclass(frozen=True)
class Measurement:
    """One figure, as often as it was measured."""

    arm: str  # whose figure it is, such as "fedsift" or "stock Flower": a row of the table
    quantity: str  # what is measured: a column of the table
    unit: str  # of the values
    values: tuple[float, ...]  # one a round

    @property
    def median(self) -> float:
        """The figure to quote."""
        return median(self.values)


@dataclass(frozen=True)
class Part:
    """What `fedsift bench` measures together."""

    title: str  # of its table
    measurements: Sequence[Measurement]  # the first arm is the one that the others are compared with
    notes: Sequence[str] = ()  # what could not be measured and why, and what a figure means, a line each
    compared: bool = True  # whether the table shows the ratios to the first arm
    facts: Mapping[str, Any] = field(default_factory=dict)  # what is no figure, for machines

    def ratios(self, arm: str, quantity: str) -> tuple[float, ...]:
        """An arm's figure over the first arm's, round by round; empty where these have other rounds, or none."""
        values = {each.arm: each.values for each in self.measurements if each.quantity == quantity}
        own, first = values.get(arm, ()), values.get(self.measurements[0].arm, ())
        return tuple(a / b for a, b in zip(own, first, strict=True)) if len(own) == len(first) and all(first) else ()

    def to_json(self) -> dict[str, Any]:
        """All values, their medians, and the medians of the ratios to the first arm."""
        return {
            "title": self.title,
            "notes": list(self.notes),
            "facts": dict(self.facts),
            "measurements": [
                {
                    "arm": each.arm,
                    "quantity": each.quantity,
                    "unit": each.unit,
                    "median": each.median,
                    "values": list(each.values),
                    "ratio": median(ratios) if (ratios := self.ratios(each.arm, each.quantity)) else None,
                }
                for each in self.measurements
            ],
        }

    def tables(self) -> list[Table]:
        """Each cell: median, least to most where there were several rounds, and the ratio to the first arm.

        A table has as many columns as there is room for in 80 characters; all others stand in further ones.
        """
        tables: list[Table] = []
        quantities = list(dict.fromkeys(each.quantity for each in self.measurements))
        while quantities or not tables:
            fitting = 1
            while fitting < len(quantities) and _width(self._table(quantities[: fitting + 1])) <= _WIDTH:
                fitting += 1
            tables.append(self._table(quantities[:fitting]))
            quantities = quantities[fitting:]
        tables[0].title = self.title
        return tables

    def lines(self) -> list[str]:
        """The notes, below the tables."""
        return [fill(note, _WIDTH, subsequent_indent="  ") for note in self.notes]

    def _table(self, quantities: Sequence[str]) -> Table:
        units = {each.quantity: each.unit for each in self.measurements}
        arms = list(dict.fromkeys(each.arm for each in self.measurements))
        cells = {(each.arm, each.quantity): each for each in self.measurements}
        table = Table(title_justify="left")
        table.add_column("")
        for quantity in quantities:
            table.add_column(", ".join(filter(None, (quantity, units[quantity]))), justify="right")
        for arm in arms:
            row = [cells.get((arm, quantity)) for quantity in quantities]
            if any(row):
                own = ("" if each is None else self._cell(each, self.compared and arm != arms[0]) for each in row)
                table.add_row(arm, *own)
        return table

    def _cell(self, each: Measurement, compared: bool) -> str:
        text = three_digits(each.median)
        if len(each.values) > 1:
            text += f" ({three_digits(min(each.values))} to {three_digits(max(each.values))})"
        ratios = self.ratios(each.arm, each.quantity) if compared else ()
        return f"{text} x {median(ratios):.2f}" if ratios else text


def _width(table: Table) -> int:
    """Characters that its lines have where no cell is broken, and headings take two lines."""
    widest = (max(map(len, [*_halves(str(column.header)), *map(str, column.cells)])) for column in table.columns)
    return sum(each + _PADDING for each in widest)


def _halves(heading: str) -> list[str]:
    return wrap(heading, max(1, len(heading) // 2 + 3))


def in_turn(arms: Mapping[str, Callable[[], T]], rounds: int, warm_up: int = 1) -> dict[str, list[T]]:
    """Call every arm once a round, each round beginning with another one.

    What disturbs the machine for a while then disturbs all arms alike, and ratios within a round can be trusted.

    Args:
        arms: what to call, by name.
        rounds: how often.
        warm_up: rounds before these whose results are dropped.
    """
    results: dict[str, list[T]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(-warm_up, rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            result = arms[name]()
            if number >= 0:
                results[name].append(result)
    return results
