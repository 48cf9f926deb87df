"""`fedsift figures`: who gains by a finished run, and how rows and labels lie among its clients.

RUN/figures/gain.svg        what each client has alone against what it is served, and gain.png
RUN/figures/partition.svg   rows by label and client, or where labels are many by client alone, and partition.png

They show nothing of a client that was removed; the commands that change a run delete them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted, legible
from fedsift.core.examples import Row, answer_of
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.loading import load_dataset
from fedsift.runs.result import RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.scores import SCORES, Score, decimals, number_above
from fedsift.studies.report.drawing import COLOURS, Figure, check_matplotlib, drawn, legend, tick_label
from fedsift.studies.report.write import write_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_MOST_LABELS = 20  # of more, a map by label says nothing
_MOST_CLIENTS = 200  # whose rows are drawn
_MOST_NAMED = 12  # clients whose ids stand along the axis, and labels in whose cells there are numbers


def write_figures(path: Path) -> list[Path]:
    """Draw the figures of a run that is over; returns the files.

    Raises:
        BadInput: it is no run, or is not over; matplotlib is missing; the data cannot be read.
    """
    check_matplotlib()
    folder, config = RunFolder.open(path)
    with folder.locked():
        folder.bring_up_to_date()
        result = folder.read_result()
        if result is None:
            raise BadInput(f"{path} is not over: fedsift run --resume {path} goes on with it")
        figures = [_gain(result), _partition(_rows_of(config, folder.members()))]
        contents: dict[str, str | bytes] = {}
        for figure in figures:
            if figure is not None:
                forms = drawn(figure)
                contents |= {f"{figure.name}.svg": forms.svg, f"{figure.name}.png": forms.png}
        return write_files(folder.figures, contents)


def _gain(result: RunResult) -> Figure | None:
    """A point a client; None where nobody was scored."""
    members, newcomers = result.members, result.newcomers
    groups: dict[str, tuple[Score, Score]] = {}  # label -> without the federation, and served
    if members and members.alone and members.served and members.alone_by:
        groups[f"members (alone: {SCORES[members.alone_by]})"] = members.alone, members.served
    if newcomers and newcomers.zero_shot and newcomers.served:
        groups["newcomers (alone: zero-shot)"] = newcomers.zero_shot, newcomers.served
    if not groups:
        return None
    metric = result.metric

    def draw(canvas: "Canvas", narrow: bool) -> None:
        axes = canvas.subplots()
        looks = (("blue", "o"), ("vermillion", "^"))
        values: list[float] = []
        handles = []
        for (alone, served), (colour, marker) in zip(groups.values(), looks, strict=False):
            both = [each for each in alone.per_client if each in served.per_client]
            x, y = ([score.per_client[each] for each in both] for score in (alone, served))
            size = 24 if len(both) <= 100 else 10
            handles.append(axes.scatter(x, y, size, color=COLOURS[colour], marker=marker, alpha=0.6, linewidths=0))
            values += [*x, *y]
        edge = 0.04 * (max(values) - min(values)) or 0.05
        ends = min(values) - edge, max(values) + edge
        axes.plot(ends, ends, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1, zorder=1)
        axes.set(xlim=ends, ylim=ends, xlabel=f"{metric}, alone", ylabel=f"{metric}, served")
        legend(canvas, handles, list(groups), narrow)

    told = "; ".join(_told_gain(label, *pair) for label, pair in groups.items())
    rows = "rows that nobody trained on" if result.held_out else "the rows trained on"
    alt = f"A point a client, {metric} on {rows}: above the dashed line are those who gain. {told}."
    return Figure("gain", "What each client has alone, and what it is served", alt, lambda _: 3.4, draw)


def _told_gain(label: str, alone: Score, served: Score) -> str:
    count = len(alone.per_client.keys() & served.per_client.keys())
    means = f"mean alone {decimals(alone.mean)}, served {decimals(served.mean)}"
    better, worse = number_above(served, alone), number_above(alone, served)
    return f"{count:,} {label}: {better:,} gain, {worse:,} lose; {means}"


@dataclass(frozen=True)
class _Rows:
    """The rows of some clients, members first."""

    tuned_on: dict[str, int]  # client -> how many rows
    scored_on: dict[str, int]  # of none where these are the same rows
    labels: dict[str, Counter[str]] | None  # client -> label -> rows to tune on; None where labels are many or none
    members: int  # how many of the clients are members
    of: int  # how many there are in all


def _rows_of(config: RunConfig, members: set[str]) -> _Rows:
    """Of the members of now, and of newcomers, as many as are drawn."""
    dataset = load_dataset(config)
    newcomers = [each for each in Participants.of(config, dataset).newcomers if each not in members]
    present = [each for each in dataset.client_ids if each in members]
    every_nth = max(1, -(-(len(present) + len(newcomers)) // _MOST_CLIENTS))
    shown = [*present[::every_nth], *newcomers[::every_nth]]
    tuned_on = {each: len(dataset.train_examples(each)) for each in shown}
    scored_on = {each: len(dataset.test_examples(each)) for each in shown} if dataset.held_out else {}
    of_all, count = len(present) + len(newcomers), len(present[::every_nth])
    return _Rows(tuned_on, scored_on, _labels(dataset, shown), count, of_all)


def _labels(dataset: FederatedDataset, clients: Sequence[str]) -> dict[str, Counter[str]] | None:
    found: dict[str, Counter[str]] = {}
    known: set[str] = set()
    for client_id in clients:
        labels = [_label(row) for row in dataset.train_examples(client_id)]
        if None in labels:
            return None
        found[client_id] = Counter(filter(None, labels))
        known |= found[client_id].keys()
        if len(known) > _MOST_LABELS:
            return None
    return found if known else None


def _label(row: Row) -> str | None:
    """What a row's target is; None of a row that is no text."""
    try:
        return answer_of(row)
    except BadInput:
        return None


def _partition(rows: _Rows) -> Figure:
    shown, clients = len(rows.tuned_on), list(rows.tuned_on)
    who = f"{counted(rows.members, 'member')}, then {counted(shown - rows.members, 'newcomer')}"
    if shown < rows.of:
        who += f" (of {counted(rows.of, 'client')})"
    labels = rows.labels
    title = "Rows to tune on by label and client" if labels else "Rows by client"

    def draw(canvas: "Canvas", narrow: bool) -> None:
        axes = canvas.subplots()
        if labels:
            _draw_map(canvas, axes, labels, narrow)
        else:
            _draw_bars(canvas, axes, rows, narrow)
        if 0 < rows.members < shown:
            axes.axvline(rows.members - 0.5, color=COLOURS["ink"], linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlim(-0.5, shown - 0.5)
        axes.grid(visible=False)
        if shown <= (_MOST_NAMED // 2 if narrow else _MOST_NAMED):
            named = [legible(each) for each in clients]
            axes.set_xticks(range(shown), named, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlabel(who)

    counts = list(rows.tuned_on.values())
    alt = f"{who}: {min(counts):,} to {counted(max(counts), 'row')} to tune on a client."
    if labels:
        totals: Counter[str] = sum(labels.values(), Counter())
        alt += " Rows by label: " + ", ".join(f"{legible(label)} {totals[label]:,}" for label in sorted(totals)) + "."
        alone = sum(len(each) == 1 for each in labels.values())
        alt += f" {counted(alone, 'client has', 'clients have')} but one label."
    elif rows.scored_on:
        alt += f" {min(rows.scored_on.values()):,} to {counted(max(rows.scored_on.values()), 'held-out row')}."
    lines = len({label for each in labels.values() for label in each}) if labels else 0
    return Figure("partition", title, alt, lambda _: max(2.6, 1.3 + 0.24 * lines), draw)


def _draw_map(canvas: "Canvas", axes: "Axes", labels: Mapping[str, Counter[str]], narrow: bool) -> None:
    """A cell a label and client, the darker the more rows; nothing where there are none."""
    names = sorted({label for each in labels.values() for label in each})
    counts = np.array([[each[name] for each in labels.values()] for name in names])
    edges = [np.arange(size + 1) - 0.5 for size in (counts.shape[1], counts.shape[0])]
    cells = axes.pcolor(*edges, np.ma.masked_equal(counts, 0), cmap="Blues", vmin=-0.3 * counts.max())
    axes.set_yticks(range(len(names)), [tick_label(legible(name), narrow) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    if not narrow and counts.shape[1] <= _MOST_NAMED:
        middle = counts.max() / 2
        for (row, column), count in np.ndenumerate(counts):
            colour = COLOURS["paper" if count > middle else "ink"]
            if count:
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, size=8)
    else:
        from matplotlib.ticker import MaxNLocator

        bar = canvas.colorbar(cells, ax=axes, label="rows", ticks=MaxNLocator(5, integer=True))
        bar.ax.set_ylim(min(1, counts.max() - 1), counts.max())


def _draw_bars(canvas: "Canvas", axes: "Axes", rows: _Rows, narrow: bool) -> None:
    """A bar a client: rows to tune on, and on top the held-out ones."""
    places = np.arange(len(rows.tuned_on))
    tuned_on = np.array(list(rows.tuned_on.values()))
    bars = [axes.bar(places, tuned_on, 0.9, color=COLOURS["blue"])]
    titles = ["rows to tune on"]
    if rows.scored_on:
        scored_on = np.array(list(rows.scored_on.values()))
        bars.append(axes.bar(places, scored_on, 0.9, bottom=tuned_on, color=COLOURS["orange"]))
        titles.append("held-out rows")
    axes.set_ylabel("rows")
    legend(canvas, [each[0] for each in bars], titles, narrow)
