"""The figure of a sweep: its score over the option that varies most, or over each option of a search."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedsift.core.errors import counted
from fedsift.runs.scores import decimals
from fedsift.studies.report.drawing import COLOURS, SERIES, Figure, legend, legend_label
from fedsift.studies.sweep.over_seeds import OverSeeds
from fedsift.studies.sweep.search import OptunaSearch, Range
from fedsift.studies.sweep.sweep import Score, Swept

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_APART = 0.4  # of the room between two values, over which the marks of all series are spread
_INCHES_PER_LINE = 0.17  # of a legend
_MOST_UPRIGHT = 8  # values on an axis; of more, the labels are turned

Scored = list[tuple[dict[str, Any], str, OverSeeds]]  # what a point changes, the row of its table, the score


def figure_of(swept: Swept) -> Figure | None:
    """The figure; None where no point has the score."""
    score, search = swept.sweep.score, swept.sweep.search
    if score is None or not (scored := _scored(swept, score)):
        return None
    alt = _alt(swept, score, scored)
    if isinstance(search, OptunaSearch):
        return _searched(scored, search, f"mean {swept.some.metric}\n{score}", alt)
    return _grid(scored, f"mean {swept.some.metric}\n{score.column}", alt)


def _scored(swept: Swept, score: Score) -> Scored:
    """Of a comparison over a grid all methods, else the score's row alone."""
    all_rows = swept.sweep.command.name == "compare" and swept.sweep.search is None
    return [
        (point.changes, row, found[score.column])
        for point in swept.points
        for row, found in point.figures.items()
        if score.column in found and (row == score.row or all_rows)
    ]


def _alt(swept: Swept, score: Score, scored: Scored) -> str:
    """All points in words, of a search the best only."""
    seeds = f"{counted(swept.sweep.seeds, 'seed')} a point"
    best = max(scored, key=lambda each: each[2].mean)
    head = f"{score.column}: mean {swept.some.metric} over {seeds}, of {counted(len(scored), 'point')}. "
    if swept.sweep.search is None:
        return head + "; ".join(f"{_told(*each[:2], scored)}: {_numbers(each[2])}" for each in scored) + "."
    return f"{head}Highest: {_told(*best[:2], scored)}: {_numbers(best[2])}."


def _numbers(figure: OverSeeds) -> str:
    ends = "" if figure.low is None or figure.high is None else f" ({decimals(figure.low)} to {decimals(figure.high)})"
    return decimals(figure.mean) + ends


def _told(changes: dict[str, Any], row: str, scored: Scored) -> str:
    parts = [f"{key} = {shown(value)}" for key, value in changes.items()]
    return ", ".join([row, *parts] if len({each for _, each, _ in scored}) > 1 else parts)


def shown(value: Any) -> str:
    """A value of an option, beside an axis and in words."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _grid(scored: Scored, axis: str, alt: str) -> Figure:
    """The option with most values along the axis, each evenly beside the next; a series for all else that varies."""
    values = {key: _distinct([changes[key] for changes, _, _ in scored]) for key in scored[0][0]}
    along = max(values, key=lambda key: len(values[key]))
    ticks = values[along]
    series: dict[str, dict[int, OverSeeds]] = {}
    for changes, row, figure in scored:
        others = {key: value for key, value in changes.items() if key != along and len(values[key]) > 1}
        series.setdefault(_told(others, row, scored), {})[ticks.index(shown(changes[along]))] = figure
    labels = [label for label in series if label]

    def draw(canvas: "Canvas", narrow: bool) -> None:
        axes = canvas.subplots()
        handles = []
        for number, points in enumerate(series.values()):
            colour, line, marker = SERIES[number % len(SERIES)]
            offset = _APART * ((number + 0.5) / len(series) - 0.5)
            places = [place + offset for place in points]
            handles.append(_marks(axes, places, list(points.values()), COLOURS[colour], marker, line))
        _categories(axes, ticks)
        axes.set_xlabel(along)
        axes.set_ylabel(axis)
        if labels:
            legend(canvas, handles, labels, narrow)

    def height(narrow: bool) -> float:
        lines = sum(legend_label(label, narrow).count("\n") + 1 for label in labels)
        return 3.0 + _INCHES_PER_LINE * (lines if narrow else (lines + 1) // 2)

    return Figure("figure", f"Scores over {along}", alt, height, draw)


def _searched(scored: Scored, search: OptunaSearch, axis: str, alt: str) -> Figure:
    """A panel for each option, a mark for each point; the highest is another."""
    best = max(scored, key=lambda each: each[2].mean)

    def draw(canvas: "Canvas", narrow: bool) -> None:
        columns = 1 if narrow else min(3, len(search.space))
        rows = -(-len(search.space) // columns)
        panels = list(canvas.subplots(rows, columns, sharey=True, squeeze=False).flat)
        for panel in panels[len(search.space) :]:
            panel.set_visible(False)
        for axes, (key, space) in zip(panels, search.space.items(), strict=False):
            ticks = [] if isinstance(space, Range) else _distinct(space)
            for each, colour, marker in [*((each, "blue", "o") for each in scored), (best, "vermillion", "D")]:
                value = each[0][key]
                place = ticks.index(shown(value)) if ticks else float(value)
                _marks(axes, [place], [each[2]], COLOURS[colour], marker, "")
            if ticks:
                _categories(axes, ticks)
            elif isinstance(space, Range) and space.log:
                axes.set_xscale("log")
                ends_and_middle = (space.low, math.sqrt(space.low * space.high), space.high)
                axes.set_xticks(ends_and_middle, [f"{each:.2g}" for each in ends_and_middle])
                axes.minorticks_off()
            axes.set_xlabel(key)
            if axes.get_subplotspec().is_first_col():
                axes.set_ylabel(axis)

    def height(narrow: bool) -> float:
        return 2.6 * (len(search.space) if narrow else -(-len(search.space) // 3))

    return Figure("figure", "Scores over the options that were searched; the highest as a diamond", alt, height, draw)


def _marks(
    axes: "Axes", places: Sequence[float], figures: Sequence[OverSeeds], colour: str, marker: str, line: Any
) -> Any:
    """Means with their intervals, where they have one."""
    means = [each.mean for each in figures]
    ends = [(each.mean, each.mean) if each.low is None else (each.low, each.high or each.mean) for each in figures]
    reach = [[mean - low for mean, (low, _) in zip(means, ends, strict=True)]]
    reach.append([high - mean for mean, (_, high) in zip(means, ends, strict=True)])
    return axes.errorbar(
        places, means, yerr=reach, color=colour, marker=marker, linestyle=line, elinewidth=1.2, capsize=2.5
    )


def _distinct(values: Sequence[Any]) -> list[str]:
    """Different values as they are shown, numbers in order."""
    numbers = all(type(value) in (int, float) for value in values)
    return list(dict.fromkeys(shown(value) for value in (sorted(values) if numbers else values)))


def _categories(axes: "Axes", ticks: Sequence[str]) -> None:
    turned = len(ticks) > _MOST_UPRIGHT or sum(map(len, ticks)) > 10 * _MOST_UPRIGHT
    axes.set_xticks(range(len(ticks)), ticks, rotation=30 if turned else 0, ha="right" if turned else "center")
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.grid(visible=False, axis="x")
