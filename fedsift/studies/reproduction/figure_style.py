"""How the figures of experiments look: a column of a paper wide, and one style a method in all of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedsift.studies.report.drawing import COLOURS, SERIES, rendered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Figure  # experiments name it from here
else:
    Figure = Any  # matplotlib is an extra

COLUMN = 3.3  # inches: a column of a paper
_HEIGHT = 2.4
_PIXELS_PER_INCH = 300
_BAND = 0.18  # opacity of an interval
_BARS = 0.8  # width of the bars of one kind
_HATCHES = ("", "////", "xxxx")

# Colour, line and marker of those that stand in several figures; a variant has its method's colour, or one near it.
_STYLES = {
    "SIFT-Masks": SERIES[0],
    "SIFT": SERIES[0],
    "SIFT-Masks as published": SERIES[5],
    "FT + Merge": SERIES[1],
    "FT": SERIES[1],
    "clustered FT + Merge": ("vermillion", ":", "p"),
    "SIFT + Merge": SERIES[2],
    "TALL-masks": SERIES[3],
    "TIES": SERIES[4],
    "EMR-merging": ("muted", "-.", "h"),
    "Central FT": SERIES[6],
    "clustered Central FT": ("ink", ":", "*"),
}
_REFERENCE = (0, (1, 1))
_BEHIND = 1.5  # zorder of a reference: above bars, below lines and numbers


_SIZES = {
    **dict.fromkeys(("font.size", "axes.titlesize"), 8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
    "legend.handlelength": 2.6,
    **dict.fromkeys(("grid.linewidth", "hatch.linewidth"), 0.5),
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
}


def render(name: str, draw: Callable[[Figure], None]) -> tuple[str, bytes]:
    """A figure as SVG and as PNG; the same figure gives the same bytes.

    Args:
        name: of the figure.
        draw: onto one of a column's width; it may set another size.
    """
    return rendered(name, draw, (COLUMN, _HEIGHT), _SIZES, _PIXELS_PER_INCH)


def style(name: str, place: int = 0) -> dict[str, Any]:
    """Colour, line and marker of a method, or of the `place`-th series where the name is no method's."""
    colour, line, marker = _STYLES.get(name, SERIES[place % len(SERIES)])
    return {"color": COLOURS[colour], "linestyle": line, "marker": marker}


def panel_of(result: Mapping[str, Any], panel: str) -> dict[str, Any]:
    """The result with the series of one panel alone."""
    return {**result, "series": [each for each in result["series"] if each["panel"] == panel]}


def plot(axes: "Axes", series: Sequence[Mapping[str, Any]], **changes: Any) -> None:
    """Series as lines, with a band from `low` to `high` where they have them; `changes` are of every line."""
    for place, each in enumerate(series):
        look = style(each["name"], place) | changes
        axes.plot(each["x"], each["y"], label=each["name"], **look)
        if "low" in each:
            axes.fill_between(each["x"], each["low"], each["high"], color=look["color"], alpha=_BAND, linewidth=0)


def bars(axes: "Axes", series: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> None:
    """Series as bars over kinds (their x), side by side within a kind, each with its interval."""
    present = {kind: [each["name"] for each in series if kind in each["x"]] for kind in kinds}
    for place, each in enumerate(series):
        look = style(each["name"], place)
        for kind, y, low, high in zip(each["x"], each["y"], each["low"], each["high"], strict=True):
            width = _BARS / len(present[kind])
            x = kinds.index(kind) - _BARS / 2 + (present[kind].index(each["name"]) + 0.5) * width
            label = each["name"] if kind == each["x"][0] else ""
            hatch = _HATCHES[place % len(_HATCHES)]
            axes.bar(x, y, 0.92 * width, color=look["color"], hatch=hatch, edgecolor=COLOURS["paper"], label=label)
            axes.errorbar(x, y, [[y - low], [high - y]], color=COLOURS["ink"], linewidth=0.8, capsize=1.5)
            behind = {"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 0.3, "alpha": 0.8}
            axes.annotate(f"{y:.3f}", (x, high), (0, 2), textcoords="offset points", ha="center", size=6, bbox=behind)
    axes.set_xticks(range(len(kinds)), kinds)
    axes.grid(visible=False, axis="x")


def dots(axes: "Axes", series: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> None:
    """Series as points for kinds (their x), which stand one below the other, each with its interval."""
    for place, each in enumerate(series):
        look = style(each["name"], place) | {"linestyle": ""}
        rows = [kinds.index(kind) for kind in each["x"]]
        axes.plot(each["y"], rows, label=each["name"], **look)
        axes.hlines(rows, each["low"], each["high"], color=look["color"], linewidth=1)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)


def score_axis(axes: "Axes", result: Mapping[str, Any], of: str = "mean ") -> None:
    """The y axis of a score: its name, and from 0 to 1 where all lie there, as probabilities and accuracies do."""
    axes.set_ylabel(f"{of}{result['metric']}")
    if all(0 <= y <= 1 for each in result["series"] for y in each["y"]):
        axes.set_ylim(0, 1.05)


def reference(axes: "Axes", y: float, label: str) -> None:
    """A thin level line that the legend names, such as zero-shot."""
    axes.axhline(y, color=COLOURS["muted"], linestyle=_REFERENCE, linewidth=1, zorder=_BEHIND, label=label)


def counts(axes: "Axes", numbers: Sequence[int]) -> None:
    """A logarithmic x axis with a tick at each of these numbers."""
    axes.set_xscale("log")
    axes.set_xticks(list(numbers), [f"{number:,}" for number in numbers])
    axes.minorticks_off()


def legend(figure: Figure, axes: "Axes | Sequence[Axes]", columns: int = 2) -> None:
    """A legend above the axes, each name once, references last."""
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    named: dict[str, Any] = {}
    for each in [axes] if isinstance(axes, Axes) else axes:
        handles, labels = each.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    named = dict(sorted(named.items(), key=lambda item: isinstance(item[1], Line2D) and item[1].zorder == _BEHIND))
    figure.legend(list(named.values()), list(named), loc="outside upper left", ncols=columns, frameon=False)
