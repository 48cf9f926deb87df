"""The two-sample Kolmogorov-Smirnov test, exact, of samples of the same size."""

from fractions import Fraction
from math import comb

import numpy as np

from fedsift.studies.attacks.inputs import Numbers


def ks_statistic(values: Numbers, others: Numbers) -> float:
    """The largest distance of the two distribution functions, from 0 to 1.

    Args:
        values: shape (n,).
        others: shape (m,).
    """
    everywhere = np.concatenate([values, others])
    below = (np.searchsorted(np.sort(each), everywhere, "right") / len(each) for each in (values, others))
    return float(np.abs(np.subtract(*below)).max())


def ks_p_value(statistic: float, size: int) -> float:
    """How likely two samples of one continuous distribution lie so far apart, or further.

    With h = statistic * size, a whole number, the probability is (Gnedenko and Korolyuk 1951)

        2 * sum over j = 1, 2, ... of (-1)^(j - 1) * C(2 size, size - j h) / C(2 size, size)

    Args:
        statistic: of two samples of that size.
        size: of each.
    """
    step = round(statistic * size)
    if step == 0:
        return 1.0
    beyond = sum((-1) ** (place - 1) * comb(2 * size, size - place * step) for place in range(1, size // step + 1))
    return float(Fraction(2 * beyond, comb(2 * size, size)))
