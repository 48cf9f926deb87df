"""The exact Kolmogorov-Smirnov test."""

from itertools import combinations

import numpy as np
import pytest

from fedsift.studies.attacks.kolmogorov_smirnov import ks_p_value, ks_statistic


def test_by_hand() -> None:
    """Three values all below three others: of C(6, 3) = 20 orders two are as far apart."""
    assert ks_statistic(np.array([1.0, 2, 3]), np.array([4.0, 5, 6])) == 1
    assert ks_p_value(1.0, 3) == pytest.approx(2 / 20)
    assert ks_statistic(np.array([1.0, 2, 2, 5]), np.array([2.0, 2, 5, 5])) == 0.25
    assert ks_p_value(0.0, 3) == ks_p_value(0.25, 4) == 1


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_p_value_against_all_orders(size: int) -> None:
    places = np.arange(2.0 * size)
    found = []
    for chosen in combinations(range(2 * size), size):
        first = np.isin(places, chosen)
        found.append(ks_statistic(places[first], places[~first]))
    for step in range(size + 1):
        share = np.mean([each >= step / size - 1e-9 for each in found])
        assert ks_p_value(step / size, size) == pytest.approx(share)
