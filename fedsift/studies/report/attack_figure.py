"""The forest plot of the membership attacks: an AUC with its interval for each attack, method and state."""

from typing import TYPE_CHECKING

from fedsift.studies.report.drawing import COLOURS, Figure, legend, legend_label, tick_label
from fedsift.studies.report.summary import OURS
from fedsift.studies.report.table import Interval, Table
from fedsift.studies.report.tables import WHEN

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_MARKS = dict(zip(WHEN.values(), (("vermillion", "s"), ("blue", "o"), ("green", "D")), strict=True))
_GUESSING = 0.5
_APART = 0.24  # of a row, between the states' marks


def attack_figure(table: Table) -> Figure:
    """One panel for each attack, one row for each method."""
    panels: dict[str, dict[str, dict[str, Interval]]] = {}
    for attack, method, when, auc in zip(*map(table.column, ("attack", "method", "state", "auc")), strict=True):
        panels.setdefault(attack, {}).setdefault(method, {})[when] = auc
    sizes = [len(methods) for methods in panels.values()]

    def draw(canvas: "Canvas", narrow: bool) -> None:
        all_axes = canvas.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
        for axes, (attack, methods) in zip(all_axes, panels.items(), strict=True):
            axes.set_title(legend_label(attack, narrow))
            axes.axvline(_GUESSING, color=COLOURS["muted"], linestyle=":", linewidth=1.2)
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
        f"{attack} on {method}: " + ", ".join(f"{when} {_told(methods[method][when])}" for when in WHEN.values())
        for attack, methods in panels.items()
        for method in methods
        if method == OURS or OURS not in methods
    )
    return Figure("attacks", "Membership attacks on the leavers", f"AUC with its 95% interval. {told}.", height, draw)


def _told(auc: Interval) -> str:
    return f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
