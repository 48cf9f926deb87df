"""What a metric of memory is: a number from what a model knows of rows, held against the retrained reference's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.studies.attacks.evidence import LEAVERS
from fedsift.studies.recall import Recall

Values = NDArray[np.float64]  # of rows, the first axis

# What a metric's values come to, by its name in the result; each lies between 0 and 1.
FIGURES = {"mean": "mean", "ks": "KS statistic", "harmonic_mean": "harmonic mean"}


def mean(values: Values, _reference: Values) -> float:
    """Over all rows."""
    return float(values.mean())


@dataclass(frozen=True)
class MemoryMetric:
    """A metric; a file of `memory`, which is found by itself, has one or a few.

    Attributes:
        name: in the result; OpenUnlearning's, where it has one.
        title: for people.
        values: one a row, or several, shape (rows,) or (rows, k).
        needs: the parts of `Recall` without which there are none.
        rises: whether a model that has learnt the rows has more of it; else less.
        part: whose rows; a part of `Evidence`.
        figure: what the values come to, beside those of the reference on the same rows.
        figure_name: one of `FIGURES`.
    """

    name: str
    title: str
    values: Callable[[Recall], Values]
    needs: tuple[str, ...] = ()
    rises: bool = True
    part: str = LEAVERS
    figure: Callable[[Values, Values], float] = mean
    figure_name: str = "mean"

    def has_all(self, recall: Recall) -> bool:
        """Whether what it needs is there."""
        return all(_is_there(getattr(recall, each)) for each in self.needs)


def _is_there(value: Any) -> bool:
    return value is not None and (not isinstance(value, np.ndarray) or value.size > 0)
