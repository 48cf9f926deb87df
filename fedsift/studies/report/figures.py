"""All figures of a report. They are drawn from the report's tables."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.filesize import decimal

from fedsift.core.errors import counted
from fedsift.runs.scores import decimals
from fedsift.studies.attacks.roc import FIGURES
from fedsift.studies.report.drawing import COLOURS, SERIES, Figure, legend, legend_label, marks_every, tick_label
from fedsift.studies.report.observers import OURS
from fedsift.studies.report.outcome import Outcome
from fedsift.studies.report.table import Interval, Table
from fedsift.studies.report.tables import WHEN

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas

_EVENTS = {  # marker and colour
    "left": ("v", "vermillion"),
    "joined": ("^", "blue"),
    "came back": ("D", "green"),
    "refused": ("X", "ink"),
    "away": ("o", "muted"),
    "failed": ("s", "purple"),
}
_SCORES = {
    "members": "members",
    "worst_decile": "worst tenth of members",
    "alone": "members alone",
    "all_clients": "members and leavers",
    "leavers": "leavers",
    "newcomers": "newcomers",
}
_POWERS_SUFFICE = 100  # client trainings; below, a logarithmic axis has ticks between the powers of ten
_MARKS = dict(zip(WHEN.values(), (("vermillion", "s"), ("blue", "o"), ("green", "D")), strict=True))
_STEPS = "step (0 is the merge)"
_APART = 0.24  # of a row, between the marks of the states that are attacked
_INCHES_PER_LINE = 0.17  # of a legend


def all_figures(outcome: Outcome, tables: Mapping[str, Table]) -> list[Figure]:
    """The figures that have something to show."""
    figures = []
    if len(outcome.steps) > 1 and "events" in tables:
        figures.append(_timeline(tables["steps"], tables["events"]))
    if "scores" in tables and _moves(tables["scores"].column("unlearned")):
        figures.append(_scores(tables["scores"], outcome.result.metric))
    if "costs" in tables and _moves(tables["costs"].column("unlearned")):
        figures.append(_costs(tables["costs"]))
    if "storage" in tables:
        figures.append(_storage(tables["storage"]))
    if "membership" in tables:
        figures.append(_attacks(tables["membership"]))
    return figures


def _moves(values: list[int]) -> bool:
    return values[0] != values[-1]


def _timeline(steps: Table, events: Table) -> Figure:
    numbers, members = steps.column("step"), steps.column("members")
    happened: dict[str, dict[int, int]] = {}
    for step, event in zip(events.column("step"), events.column("event"), strict=True):
        of_event = happened.setdefault(event, {})
        of_event[step] = of_event.get(step, 0) + 1
    lanes = [event for event in _EVENTS if event in happened]

    def draw(canvas: "Canvas", narrow: bool) -> None:
        upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=[3, 0.4 + 0.42 * len(lanes)])
        upper.step(numbers, members, where="post", color=COLOURS["blue"])
        upper.set_ylabel("members")
        _whole_numbers(upper.yaxis)
        _whole_numbers(lower.xaxis)
        told = len(numbers) <= (10 if narrow else 24)
        for height, event in enumerate(reversed(lanes)):
            marker, colour = _EVENTS[event]
            lower.plot(
                list(happened[event]),
                [height] * len(happened[event]),
                linestyle="none",
                marker=marker,
                color=COLOURS[colour],
                markersize=5 if len(numbers) <= 60 else 3,
            )
            for step, number in happened[event].items():
                if told and number > 1:
                    lower.annotate(str(number), (step, height), (5, 0), textcoords="offset points", va="center", size=8)
        lower.set_yticks(range(len(lanes)), reversed(lanes))
        lower.set_ylim(-0.6, len(lanes) - 0.4)
        lower.set_xlabel(_STEPS)

    tally = ", ".join(f"{sum(happened[event].values()):,} {event}" for event in lanes)
    alt = (
        f"{counted(members[0], 'member')} after the merge, {members[-1]:,} after step {numbers[-1]}; "
        f"fewest {min(members):,}, most {max(members):,}. Events: {tally}."
    )
    height = 2.6 + 0.22 * len(lanes)
    return Figure("timeline", "Members over the steps", alt, lambda narrow: height + (0.2 if narrow else 0), draw)


def _scores(table: Table, metric: str) -> Figure:
    steps, unlearned = table.column("step"), table.column("unlearned")
    series = {title: table.column(key) for key, title in _SCORES.items()}
    series = {title: values for title, values in series.items() if any(value is not None for value in values)}

    def draw(canvas: "Canvas", narrow: bool) -> None:
        axes = canvas.subplots()
        for (title, values), (colour, line, marker) in zip(series.items(), SERIES, strict=False):
            axes.plot(
                steps,
                [math.nan if value is None else value for value in values],
                color=COLOURS[colour],
                linestyle=line,
                marker=marker,
                markevery=marks_every(len(steps), narrow),
                label=title,
            )
        axes.set_ylabel(f"mean {metric}")
        axes.set_xlabel(_STEPS)
        _whole_numbers(axes.xaxis)
        legend(canvas, axes.get_lines(), list(series), narrow)

    def ends(values: list[float | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{decimals(known[0])} at first, {decimals(known[-1])} at the end"

    told = "; ".join(f"{title} {ends(values)}" for title, values in series.items())
    span = f"from step {steps[0]:,} to {steps[-1]:,}, with {counted(unlearned[-1], 'client')} unlearned at the end"
    alt = f"Mean {metric} of what clients are served, {span}: {told}."
    title, lines = "Scores over the steps", _INCHES_PER_LINE * len(series)
    return Figure("scores", title, alt, lambda narrow: 3.0 + (lines if narrow else 0), draw)


def _costs(table: Table) -> Figure:
    steps, unlearned = table.column("step"), table.column("unlearned")
    curves: dict[tuple[int, ...], list[str]] = {}  # Many methods cost the same: they share a line.
    for column in table.columns[2:]:
        curves.setdefault(tuple(table.column(column.key)), []).append(column.title)
    labels = [", ".join(titles) for titles in curves.values()]

    def draw(canvas: "Canvas", narrow: bool) -> None:
        from matplotlib.ticker import SymmetricalLogLocator

        axes = canvas.subplots()
        for place, values in enumerate(curves):
            colour, line, marker = SERIES[place % len(SERIES)]
            every = marks_every(len(values), narrow)
            axes.plot(
                steps, values, color=COLOURS[colour], linestyle=line, marker=marker, markevery=every, clip_on=False
            )
        axes.set_yscale("symlog", linthresh=1, linscale=0.5)
        subs = [1.0] if max(values[-1] for values in curves) >= _POWERS_SUFFICE else [1.0, 2.0, 5.0]
        axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=subs))
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_ylabel("client trainings after the merge")
        axes.set_xlabel(_STEPS)
        _whole_numbers(axes.xaxis)
        legend(canvas, axes.get_lines(), labels, narrow)

    told = "; ".join(f"{label} {values[-1]:,}" for label, values in zip(labels, curves, strict=True))
    gone = counted(unlearned[-1], "client")
    alt = f"Client trainings after the merge, on a logarithmic scale; with {gone} unlearned: {told}."

    def height(narrow: bool) -> float:
        return 2.8 + _INCHES_PER_LINE * sum(legend_label(label, narrow).count("\n") + 1 for label in labels)

    return Figure("costs", "Client trainings over the steps", alt, height, draw)


def _storage(table: Table) -> Figure:
    titles, numbers = table.column("method"), table.column("bytes")

    def draw(canvas: "Canvas", narrow: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = canvas.subplots()
        colours = [COLOURS["blue" if title == OURS else "muted"] for title in titles]
        bars = axes.barh(range(len(titles)), numbers, height=0.6, color=colours)
        axes.bar_label(bars, [decimal(number) for number in numbers], padding=3)
        axes.set_yticks(range(len(titles)), [tick_label(title, narrow) for title in titles])
        axes.set_ylim(len(titles) - 0.4, -0.6)
        axes.margins(x=0.32 if narrow else 0.14)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _: decimal(round(value)))
        axes.xaxis.set_major_locator(MaxNLocator(3 if narrow else 6))
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("kept by the method")

    told = "; ".join(f"{title} {decimal(number)}" for title, number in zip(titles, numbers, strict=True))

    def height(narrow: bool) -> float:
        return 0.75 + (0.36 if narrow else 0.26) * len(titles)

    return Figure("storage", "Storage by method", f"Bytes kept: {told}.", height, draw)


def _attacks(table: Table) -> Figure:
    """A forest plot: a panel for each attack, a row for each method, an AUC with its interval for each state."""
    panels: dict[str, dict[str, dict[str, Interval]]] = {}
    for figure, attack, method, *found in zip(*map(table.column, ("figure", "metric", "method", *WHEN)), strict=True):
        if figure == FIGURES["auc"]:
            panels.setdefault(attack, {})[method] = dict(zip(WHEN.values(), found, strict=True))
    sizes = [len(methods) for methods in panels.values()]

    def draw(canvas: "Canvas", narrow: bool) -> None:
        all_axes = canvas.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
        for axes, (attack, methods) in zip(all_axes, panels.items(), strict=True):
            axes.set_title(legend_label(attack, narrow))
            handles = []
            for place, (when, (colour, marker)) in enumerate(_MARKS.items()):
                found = [methods[method][when] for method in methods]
                handles.append(
                    axes.errorbar(
                        [each.value for each in found],
                        [row + _APART * (place - 1) for row in range(len(methods))],
                        xerr=[
                            [max(0.0, each.value - each.low) for each in found],
                            [max(0.0, each.high - each.value) for each in found],
                        ],
                        fmt=marker,
                        color=COLOURS[colour],
                        # The oracle's mark is hollow: it often lies on that of "after".
                        markerfacecolor=COLOURS["paper"] if place == len(_MARKS) - 1 else COLOURS[colour],
                        markersize=4.5,
                        linewidth=1.2,
                    )
                )
            axes.set_yticks(range(len(methods)), [tick_label(method, narrow) for method in methods])
            axes.set_ylim(len(methods) - 0.5, -0.5)
            axes.grid(visible=False, axis="y")
        all_axes[-1].set_xlabel("AUC with 95% interval")
        legend(canvas, handles, list(WHEN.values()), narrow)

    def height(narrow: bool) -> float:
        return 1.0 + 0.34 * len(panels) + 0.5 * sum(sizes) + (0.34 if narrow else 0)

    # In words, the figures of this method; those of others are in the table that follows.
    told = "; ".join(
        f"{attack} on {method}: " + ", ".join(f"{when} {methods[method][when]}" for when in WHEN.values())
        for attack, methods in panels.items()
        for method in methods
        if method == OURS or OURS not in methods
    )
    return Figure("attacks", "Membership attacks on the leavers", f"AUC with its 95% interval. {told}.", height, draw)


def _whole_numbers(axis: "Axis") -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
