"""What a sweep came to as tables: one for files, and those that are printed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table as Printed
from rich.text import Text

from fedsift.core.errors import counted, visible
from fedsift.runs.scores import three_places
from fedsift.studies.report.table import Column, Interval, Table, last_line, one_place
from fedsift.studies.sweep.commands import MEMBERS
from fedsift.studies.sweep.over_seeds import OverSeeds
from fedsift.studies.sweep.sweep import Point, Swept
from fedsift.studies.sweep.sweep_figure import shown

_COLUMNS = 3  # of figures that stand side by side in 80 columns


def table_of(swept: Swept) -> Table:
    """A row for each row of each point, with all figures."""
    command, varied = swept.sweep.command, _varied(swept)
    figures = [*((each, "interval") for each in command.scores), *((each, "mean") for each in command.counts)]
    columns = (
        *(Column(key, key, "code") for key in varied),
        Column(command.rows, command.rows),
        Column("seeds", "seeds", "quantity"),
        *(Column(name.replace(" ", "_"), name, kind) for name, kind in figures),
    )
    rows: list[tuple[Any, ...]] = []
    for point in swept.points:
        changes = [point.changes[key] for key in varied]
        for row, found in point.figures.items():
            cells = [_interval(found.get(name)) for name, _ in figures]
            rows.append((*changes, row, len(point.found), *cells))
    return Table("table", title_of(swept), columns, rows)


def title_of(swept: Swept) -> str:
    """What the numbers are, and what the interval is, in lines."""
    some, seeds, first = swept.some, swept.sweep.seeds, swept.sweep.first_seed
    rows = "rows that nobody trained on (held-out)" if some.held_out else "the rows trained on (held-in)"
    interval = "in brackets 95% over seeds (Student's t), where they differ"
    lines = [
        f"mean {some.metric} on {rows}",
        f"seed {first} alone: no interval" if seeds == 1 else f"{seeds} seeds from {first}; {interval}",
    ]
    if some.chosen_on:
        lines.append(f"without the {counted(some.chosen_on, 'member')} on whose scores settings of methods were chosen")
    return "\n".join(lines)


def printed(swept: Swept) -> list[Printed | Text]:
    """The tables of a command that is repeated, or one of all points; then what failed, and what was not proven.

    What stands above and below is no title or caption, since a narrow table would fold it.
    """
    shown: list[Printed | Text] = [*map(Text, title_of(swept).split("\n"))]
    if swept.varies:
        if _has_one_row(swept) and swept.sweep.score:
            shown.insert(0, Text(f"{swept.sweep.score.row}:"))
        shown.append(_of_points(swept))
        if swept.best is not None:
            shown.append(Text(visible(f"best     {_told(swept.best.changes)}, by {swept.sweep.score}")))
    else:
        shown += [*_of_one(swept), Text(swept.sweep.command.note)]
    for point in swept.points:
        place = _told(point.changes)
        shown += [
            Text(visible(f"failed   {place and f'{place}, '}seed {seed}  {last_line(why)}"), "red")
            for seed, why in point.failures.items()
        ]
        shown += [
            Text(visible(f"verdict  {place and f'{place}, '}seed {seed}: NOT proven, or a removal was refused"), "red")
            for seed, found in point.found.items()
            if not found.proven
        ]
    return shown


def _of_one(swept: Swept) -> list[Printed]:
    """A table for every few columns, of the rows that have something in them."""
    command, figures = swept.sweep.command, swept.points[0].figures
    tables: list[Printed] = []
    for kind, are_counts in ((command.scores, False), (command.counts, True)):
        present = [column for column in kind if any(column in found for found in figures.values())]
        for start in range(0, len(present), _COLUMNS):
            columns = present[start : start + _COLUMNS]
            table = _table({command.rows: False}, columns)
            for row, found in figures.items():
                if found.keys() & set(columns):
                    table.add_row(row, *(_cell(found.get(column), are_counts) for column in columns))
            tables.append(table)
    return tables


def _of_points(swept: Swept) -> Printed:
    """What members and who decides have at each point; of a run as served, of a comparison with each method."""
    sweep, varied = swept.sweep, _varied(swept)
    command, score = sweep.command, sweep.score
    assert score is not None
    columns = list(dict.fromkeys([score.column, MEMBERS]))
    one_row = _has_one_row(swept)
    numbers = {key: all(type(point.changes[key]) in (int, float) for point in swept.points) for key in varied}
    table = _table(numbers | ({} if one_row else {command.rows: False}), columns)
    for point in swept.points:
        changes = [shown(point.changes[key]) for key in varied]
        for row, found in point.figures.items():
            if row == score.row or (not one_row and score.column in found):
                name = [] if one_row else [row]
                table.add_row(*changes, *name, *(_cell(found.get(column), False) for column in columns))
    return table


def _has_one_row(swept: Swept) -> bool:
    """Whether the score's row stands for a point; of a comparison all methods do."""
    return swept.sweep.command.name == "run"


def _table(texts: Mapping[str, bool], numbers: Sequence[str]) -> Printed:
    table = Printed()
    for text, is_number in texts.items():
        table.add_column(text, justify="right" if is_number else "left")
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _varied(swept: Swept) -> list[str]:
    return list(dict.fromkeys(key for point in swept.points for key in point.changes))


def _told(changes: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {shown(value)}" for key, value in changes.items())


def _interval(figure: OverSeeds | None) -> Interval | None:
    if figure is None:
        return None
    ends = (math.nan if each is None else each for each in (figure.low, figure.high))
    return Interval(figure.mean, *ends)


def _cell(figure: OverSeeds | None, is_count: bool) -> str:
    if figure is None:
        return "-"
    number = one_place if is_count else three_places
    if figure.low is None or figure.high is None or figure.low == figure.high:
        return number(figure.mean)
    return f"{number(figure.mean)} [{number(figure.low)}, {number(figure.high)}]"


def as_json(swept: Swept) -> dict[str, Any]:
    """All of it."""
    sweep, best = swept.sweep, swept.best
    return {
        "command": sweep.command.name,
        "options": dict(sweep.options),
        "seeds": list(range(sweep.first_seed, sweep.first_seed + sweep.seeds)),
        "metric": swept.some.metric,
        "held_out": swept.some.held_out,
        "proven": swept.proven,
        "score": sweep.score and str(sweep.score),
        "best": best and best.changes,
        "points": [_point(each) for each in swept.points],
    }


def _point(point: Point) -> dict[str, Any]:
    figures = {row: {column: vars(each) for column, each in columns.items()} for row, columns in point.figures.items()}
    return {"changes": point.changes, "folder": point.folder, "figures": figures, "failures": point.failures}
