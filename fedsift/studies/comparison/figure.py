"""`fedsift figures` of a comparison: what each method serves, and what it costs to remove a client.

COMPARISON/figures/comparison.svg   and comparison.png
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsift.core.errors import BadInput, counted
from fedsift.files.json_file import read_json
from fedsift.runs.scores import decimals
from fedsift.studies.comparison.comparison import Comparison
from fedsift.studies.report.drawing import COLOURS, Figure, check_matplotlib, drawn, legend, tick_label
from fedsift.studies.report.write import write_files

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_LOOKS = {"members": ("blue", "o", -0.12), "newcomers": ("vermillion", "^", 0.12)}  # colour, marker, place in a line


@dataclass(frozen=True)
class _Line:
    """A line of the figure: a baseline, which trains nobody, or a method."""

    title: str
    scores: dict[str, tuple[float, float, float]]  # members or newcomers -> mean, low, high
    trainings: int | None = None  # of the first removal


def is_comparison(folder: Path) -> bool:
    """Whether a folder was written by `fedsift compare`."""
    return (folder / "methods.csv").is_file()


def write_comparison_figure(folder: Path) -> list[Path]:
    """Draw the figure of a comparison; returns its files.

    Raises:
        BadInput: result.json cannot be read, nobody was scored, or matplotlib is missing.
    """
    check_matplotlib()
    found = read_json(folder / "result.json", Comparison, "run the comparison again")
    figure = comparison_figure(found)
    forms, name = drawn(figure), f"figures/{figure.name}"
    return write_files(folder, {f"{name}.svg": forms.svg, f"{name}.png": forms.png})


def comparison_figure(found: Comparison) -> Figure:
    """Scores with their intervals at the left, client trainings of the first removal at the right, a line a method.

    Raises:
        BadInput: nobody was scored.
    """
    lines = _lines(found)
    if not any(line.scores for line in lines):
        raise BadInput("nothing to draw: nobody was scored in this comparison")

    def draw(canvas: "Canvas", narrow: bool) -> None:
        scores, trainings = canvas.subplots(*((2, 1) if narrow else (1, 2)), sharey=not narrow)
        handles = _draw_scores(scores, lines)
        scores.set_xlabel(f"mean {found.metric}, {'held-out' if found.held_out else 'held-in'} rows")
        _draw_trainings(trainings, lines)
        for axes in (scores, trainings):
            axes.set_yticks(range(len(lines)), [tick_label(line.title, narrow) for line in lines])
            axes.set_ylim(len(lines) - 0.5, -0.5)
        if not narrow:
            trainings.tick_params(labelleft=False, left=False)
        legend(canvas, list(handles.values()), list(handles), narrow)

    rows = "rows that nobody trained on" if found.held_out else "the rows trained on"
    told = "; ".join(map(_in_words, lines))
    alt = f"{counted(found.clients, 'member')}, mean {found.metric} on {rows} with 95% intervals, and removals: {told}."
    return Figure(
        "comparison",
        "What each method serves, and what a removal costs",
        alt,
        lambda narrow: (1.3 + 0.28 * len(lines)) * (2 if narrow else 1),
        draw,
    )


def _lines(found: Comparison) -> list[_Line]:
    lines = []
    for each in found.baselines:
        scored = {"members": each.members, "newcomers": each.newcomers}
        values = {who: (score.mean, score.low, score.high) for who, score in scored.items() if score}
        lines.append(_Line(each.title, values))
    for row in found.methods:
        values = {}
        if row.members_before is not None and row.members_low is not None and row.members_high is not None:
            values["members"] = row.members_before, row.members_low, row.members_high
        if row.newcomers_before is not None and row.newcomers_low is not None and row.newcomers_high is not None:
            values["newcomers"] = row.newcomers_before, row.newcomers_low, row.newcomers_high
        lines.append(_Line(row.title, values, row.trainings[0] if row.trainings else None))
    return lines


def _in_words(line: _Line) -> str:
    parts = [f"{who} {decimals(mean)}" for who, (mean, *_) in line.scores.items()]
    if line.trainings is not None:
        trainings = "training" if line.trainings == 1 else "trainings"
        parts.append(f"{line.trainings:,} client {trainings} for one removal")
    return f"{line.title}: {', '.join(parts)}"


def _draw_scores(axes: "Axes", lines: Sequence[_Line]) -> dict[str, "Artist"]:
    handles: dict[str, Artist] = {}
    for who, (colour, marker, place) in _LOOKS.items():
        for number, line in enumerate(lines):
            if who in line.scores:
                mean, low, high = line.scores[who]
                axes.plot([low, high], [number + place] * 2, color=COLOURS[colour], linewidth=1.6)
                (handles[who],) = axes.plot(mean, number + place, marker, color=COLOURS[colour])
    return handles


def _draw_trainings(axes: "Axes", lines: Sequence[_Line]) -> None:
    counted = {number: line.trainings for number, line in enumerate(lines) if line.trainings is not None}
    axes.barh(list(counted), [max(each, 0.5) for each in counted.values()], 0.5, color=COLOURS["blue"])
    for number, trainings in counted.items():
        axes.annotate(f"{trainings:,}", (max(trainings, 0.5), number), (4, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    axes.set_xlim(0.5, 4 * max(counted.values(), default=1))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.minorticks_off()
    axes.set_xlabel("client trainings for one removal")
    axes.grid(visible=False, axis="y")
