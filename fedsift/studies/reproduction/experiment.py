"""An experiment: what the paper found, how it is measured again, how it is drawn, and what was found here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Any

import numpy as np

from fedsift.studies.reproduction.figure_style import Figure
from fedsift.studies.training_cache import TrainingCache

# What JSON can hold. "series" is a list of {"name", "x", "y"}, with "low" and "high" where y is a mean, and "panel"
# where a figure has several; beside it whatever else the experiment tells. `reproduce` adds what `draw` and `found` may
# want to name: "metric", "clients", "tuned_parameters" and "configuration".
Result = dict[str, Any]

SIMILAR = 0.05  # two mean scores that differ by less are told as alike: 5 points
_Z = 1.96  # of a normal distribution's central 95%


class Kind(IntEnum):
    """What an experiment is about, in the order of their list."""

    FIGURE = auto()  # a figure of the paper
    QUESTION = auto()  # a question that the paper leaves open
    QUANTISATION = auto()  # what the paper does not do


@dataclass(frozen=True)
class Experiment:
    """One experiment; a file of `simulations/figures` each, which is found by itself.

    Attributes:
        name: on the command line, and of the files written; "fig" and its number for a figure of the paper.
        kind: what it is about.
        title: for people.
        paper_found: what the paper found, with its section or figure.
        defaults: fields of `RunConfig`; minutes on two cores.
        measure: all training and scoring, through the cache.
        draw: onto a figure of matplotlib, the axes of the paper.
        found: what was found here, from the numbers alone; begins with `verdict` where a claim is judged.
        fails_if: what numbers would have been no `verdict` as in the paper; empty where no claim is judged.
    """

    name: str
    kind: Kind
    title: str
    paper_found: str
    defaults: Mapping[str, Any]
    measure: Callable[[TrainingCache], Result]
    draw: Callable[[Result, Figure], None]
    found: Callable[[Result], str]
    fails_if: str = ""


def means(name: str, x: Sequence[Any], scores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """A series of means over clients.

    Args:
        name: of the series.
        x: one value a point, a number or a text.
        scores: for each point the scores of the clients.

    Returns:
        `name`, `x`, `y`, and `low` and `high`: the normal 95% interval of each mean, y itself for a single client.
    """
    y, half = [], []
    for each in scores:
        values = np.asarray(each, np.float64)
        y.append(float(values.mean()))
        half.append(_Z * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0)
    low = [mean - width for mean, width in zip(y, half, strict=True)]
    high = [mean + width for mean, width in zip(y, half, strict=True)]
    return {"name": name, "x": list(x), "y": y, "low": low, "high": high}


def curves(x: Sequence[Any], points: Sequence[Mapping[str, Sequence[float]]]) -> list[dict[str, Any]]:
    """Series of means by name, as of `means`, from the scores by name at each point; all points have the same names."""
    return [means(name, x, [scores[name] for scores in points]) for name in points[0]]


def series_of(result: Result, name: str, panel: str | None = None) -> dict[str, Any]:
    """The series of a name, and of a panel where several have the name."""
    return next(each for each in result["series"] if each["name"] == name and (panel is None or each["panel"] == panel))


def has_series(result: Result, name: str) -> bool:
    """Whether there is a series of that name."""
    return any(each["name"] == name for each in result["series"])


def verdict(holds: bool) -> str:
    """How a sentence of `found` begins."""
    return "As in the paper" if holds else "Not as in the paper"
