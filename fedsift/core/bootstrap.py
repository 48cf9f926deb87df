"""How sure a mean over clients is: the percentile bootstrap (Efron 1979, Annals of Statistics 7)."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from fedsift.core.seeds import derive_seed

_RESAMPLES = 1000
_ENDS = (0.025, 0.975)  # of a 95% interval


class Estimate(NamedTuple):
    """A mean over clients and its 95% interval."""

    mean: float
    low: float
    high: float


def estimate(values: Iterable[float], root_seed: int) -> Estimate:
    """The mean of at least one client's value, and the interval in which most means of resampled clients lie.

    It does not depend on the order of the values. Means over the same number of clients have the same draws.
    """
    ordered = np.sort(np.fromiter(values, np.float64))
    size = len(ordered)
    draws = np.random.Philox(key=derive_seed(root_seed, "bootstrap"))
    means = [ordered[draws.random_raw(size) % size].mean() for _ in range(_RESAMPLES)]
    mean = math.fsum(ordered) / size
    low, high = map(float, np.quantile(means, _ENDS))
    return Estimate(mean, min(low, mean), max(high, mean))  # The last bit of a mean of equal values may differ.
