"""What an outsider, a stayer and the server can tell about the leavers: the worst of all figures, a sentence each."""

from collections.abc import Sequence
from typing import Any

from fedsift.runs.scores import decimals
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.attacks import memory_metric, roc
from fedsift.studies.attacks.subjects import OUTSIDER, SERVER, STAYER
from fedsift.studies.report.outcome import Outcome
from fedsift.studies.report.table import human_change

OURS = METHODS[SIFT_MASKS].title
FIGURES = {**roc.FIGURES, **memory_metric.FIGURES}  # of the rows of result.json, for people
_PUBLISHED_BEFORE, _PUBLISHED_AFTER = (
    "the model published before the removals",
    "the model published after the removals",
)


def observers(outcome: Outcome) -> list[str]:
    """Three sentences; none where nobody attacked."""
    told = outcome.result.attacks
    if not told:
        return []
    ours = [row for row in [*told["membership"], *told["memory"]] if row["method"].startswith(OURS)]
    return [_outsider(told, ours), _stayer(outcome, ours), _server(told, ours)]


def worst(rows: Sequence[dict[str, Any]], state: str) -> tuple[dict[str, Any], str]:
    """The row and the figure that lie furthest from the run which the leavers never joined, on either side of it."""
    found = ((row, figure) for row in rows for figure in row["difference"][state])
    return max(found, key=lambda each: abs(each[0]["difference"][state][each[1]][0]))


def _outsider(told: dict[str, Any], ours: Sequence[dict[str, Any]]) -> str:
    seen = [row for row in ours if row["observer"] == OUTSIDER]
    return f"An outsider sees the published model. {_found(told, seen, _PUBLISHED_AFTER, _PUBLISHED_BEFORE)}"


def _stayer(outcome: Outcome, ours: Sequence[dict[str, Any]]) -> str:
    told = outcome.result.attacks
    assert told is not None
    seen = [row for row in ours if row["observer"] == STAYER]
    head = ""
    if outcome.result.held_out and outcome.result.config.get("shared-head"):
        head = ", and so do the shared head's sums, which have the leaver's labels and features"
    sentences = [
        "A stayer sees what an outsider does. One that kept the model published before can subtract the one "
        f"published after: of one who leaves alone {told['difference']['recovered_share']:.1%} of the contribution "
        f"comes back{head}.",
        _found(told, seen, "the difference of the two models", _PUBLISHED_BEFORE),
        "This holds for every exact removal; removals in batches, and noise on what is published, make it harder.",
    ]
    return " ".join(filter(None, sentences))


def _server(told: dict[str, Any], ours: Sequence[dict[str, Any]]) -> str:
    seen = [row for row in ours if row["observer"] == SERVER]
    difference = told["difference"]
    kept = (
        "It does not keep its state of before the removal; the difference of that and its state of after would give "
        f"back what left: {difference['verdict']}."
    )
    found = _found(told, seen, "what it has after the removals", "the uploads")
    return f"The server was sent the leavers' uploads, which are their own models. {found} {kept}"


def _found(told: dict[str, Any], seen: Sequence[dict[str, Any]], after: str, before: str) -> str:
    """The furthest that any attack came, after the removals and before them."""
    if not seen:
        return ""
    methods = {row["method"] for row in seen}
    probes = [row for part in ("relearning", "canaries") for row in told[part] if row["method"] in methods]
    never = "the run that the leavers never joined"
    row, figure = worst(seen, "after")
    if all(each["equals_oracle"] for each in [*seen, *probes]):
        text = f"On {after}, every attack finds what it finds in {never}, to the last digit."
    else:
        text = f"On {after}, what attacks find differs from {never} by up to {_distance(row, figure, 'after')}."
    row, figure = worst(seen, "before")
    text += f" On {before}, what they find differs from that by up to {_distance(row, figure, 'before')}."
    for each in told["canaries"]:
        if each["method"] in methods:
            bits = {state: f"{value:.1f}" for state, value in each["exposure"].items()}
            text += (
                f" Canaries planted in the leavers' rows were exposed by {bits['before']} bits in {before}, by "
                f"{bits['after']} bits in {after}, and by {bits['oracle']} bits in {never}."
            )
    return text


def _distance(row: dict[str, Any], figure: str, state: str) -> str:
    """Signed, with its interval, and the two figures that it is the difference of."""
    difference, low, high = map(human_change, row["difference"][state][figure])
    return (
        f"{difference} ({low} to {high}) in the {FIGURES[figure]} of {row['title']}, {decimals(row[state][figure])} "
        f"against {decimals(row['oracle'][figure])}"
    )
