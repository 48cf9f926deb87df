"""What an outsider, a stayer and the server can tell about the leavers: the worst of all figures, a sentence each."""

from collections.abc import Sequence
from typing import Any

from fedsift.runs.scores import decimals
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.attacks import memory_metric, roc
from fedsift.studies.attacks.subjects import OUTSIDER, SERVER
from fedsift.studies.report.outcome import Outcome
from fedsift.studies.report.table import human_change

OURS = METHODS[SIFT_MASKS].title
FIGURES = {**roc.FIGURES, **memory_metric.FIGURES}  # of the rows of result.json, for people


def observers(outcome: Outcome) -> list[str]:
    """Three sentences; none where nobody attacked."""
    told = outcome.result.attacks
    if not told:
        return []
    ours = [row for row in [*told["membership"], *told["memory"]] if row["method"].startswith(OURS)]
    return [_outsider(told, ours), _stayer(outcome), _server(told, ours)]


def worst(rows: Sequence[dict[str, Any]], state: str) -> tuple[dict[str, Any], str]:
    """The row and the figure that lie furthest from the run which the leavers never joined, on either side of it."""
    found = ((row, figure) for row in rows for figure in row["difference"][state])
    return max(found, key=lambda each: abs(each[0]["difference"][state][each[1]][0]))


def _outsider(told: dict[str, Any], ours: Sequence[dict[str, Any]]) -> str:
    seen = [row for row in ours if row["observer"] == OUTSIDER]
    return (
        f"An outsider sees the published model. {_found(told, seen, 'In that of now', 'in that of before they left')}"
    )


def _stayer(outcome: Outcome) -> str:
    assert outcome.result.attacks is not None
    head = ""
    if outcome.result.held_out and outcome.result.config.get("shared-head"):
        head = ", and so do the shared head's sums, which have the leaver's labels and features"
    return (
        "A stayer sees what an outsider does. One that kept what it was served before can subtract what it is served "
        f"now: of one who leaves alone {outcome.result.attacks['difference']['recovered_share']:.1%} of the "
        f"contribution comes back{head}. That is so with every exact removal; batches, and noise on what is published, "
        "are against it."
    )


def _server(told: dict[str, Any], ours: Sequence[dict[str, Any]]) -> str:
    seen = [row for row in ours if row["observer"] == SERVER]
    difference = told["difference"]
    kept = (
        f"Its state of before, which it does not keep, less that of now gives back what left: {difference['verdict']}."
    )
    found = _found(told, seen, "In what it has now", "in the uploads")
    return f"The server was sent the leavers' uploads, which are their own models. {found} {kept}"


def _found(told: dict[str, Any], seen: Sequence[dict[str, Any]], now: str, before: str) -> str:
    """The furthest that any attack came, after the removals and before them."""
    if not seen:
        return ""
    methods = {row["method"] for row in seen}
    probes = [row for part in ("relearning", "canaries") for row in told[part] if row["method"] in methods]
    row, figure = worst(seen, "after")
    if all(each["equals_oracle"] for each in [*seen, *probes]):
        text = f"{now} every attack finds what it finds in the run that they never joined, to the last digit"
    else:
        text = f"{now} attacks differ from what they find in the run that they never joined, by up to"
        text += f" {_distance(row, figure, 'after')}"
    row, figure = worst(seen, "before")
    text += f"; {before} it was up to {_distance(row, figure, 'before')}"
    for each in told["canaries"]:
        if each["method"] in methods:
            exposure = each["exposure"]
            text += (
                f", and canaries were exposed by {exposure['before']:.1f} bits, not {exposure['oracle']:.1f} (now "
                f"{exposure['after']:.1f})"
            )
    return f"{text}."


def _distance(row: dict[str, Any], figure: str, state: str) -> str:
    """Signed, with its interval, and the two figures that it is the difference of."""
    difference, low, high = map(human_change, row["difference"][state][figure])
    return (
        f"{difference} ({low} to {high}) in the {FIGURES[figure]} of {row['title']}, {decimals(row[state][figure])} "
        f"against {decimals(row['oracle'][figure])}"
    )
