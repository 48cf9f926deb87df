"""How sure a figure is: its mean over seeds, with Student's interval (1908, Biometrika 6).

Seeds are drawn independently of one another, and what they are drawn for differs in data, order of rows and who leaves;
the interval over clients that a single run has says nothing of that.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import mpmath

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class OverSeeds:
    """A figure's mean over seeds and its 95% interval; no interval where there is but one."""

    mean: float
    low: float | None
    high: float | None
    per_seed: dict[int, float]

    @classmethod
    def of(cls, per_seed: Mapping[int, float]) -> "OverSeeds":
        """From the figure of one seed or more."""
        values, size = list(per_seed.values()), len(per_seed)
        mean = math.fsum(values) / size
        if size == 1:
            return cls(mean, None, None, dict(per_seed))
        variance = math.fsum((each - mean) ** 2 for each in values) / (size - 1)
        reach = quantile(size - 1) * math.sqrt(variance / size)
        return cls(mean, mean - reach, mean + reach, dict(per_seed))


@cache
def quantile(degrees: int) -> float:
    """How many standard errors the interval reaches to each side: t with P(|T| < t) = 0.95.

    Args:
        degrees: of freedom, from 1 on.
    """

    # P(|T| > t) = I(degrees / (degrees + t^2); degrees / 2, 1 / 2), the regularised incomplete beta function.
    def beyond(t: mpmath.mpf) -> mpmath.mpf:
        x = degrees / (degrees + t**2)
        return mpmath.betainc(degrees / 2, 0.5, 0, x, regularized=True) - (1 - _CONFIDENCE)

    return float(mpmath.findroot(beyond, (1.9, 13), solver="anderson"))
