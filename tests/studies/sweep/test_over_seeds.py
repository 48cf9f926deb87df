"""Student's interval over seeds."""

import math

import pytest
from hypothesis import given, strategies as st

from fedsift.studies.sweep.over_seeds import OverSeeds, quantile

# Of 95%, two-sided, as textbooks have them: Student's table by degrees of freedom.
TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 20: 2.086, 30: 2.042, 60: 2.000, 120: 1.980}


@pytest.mark.parametrize(("degrees", "expected"), TABLE.items())
def test_quantiles_are_those_of_the_table(degrees: int, expected: float) -> None:
    assert quantile(degrees) == pytest.approx(expected, abs=5e-4)


def test_one_degree_of_freedom_is_cauchys() -> None:
    assert quantile(1) == pytest.approx(math.tan(0.475 * math.pi), rel=1e-12)


def test_by_hand() -> None:
    """1, 2, 3: mean 2, standard deviation 1, standard error 1/sqrt(3), t of two degrees 4.30265."""
    found = OverSeeds.of({5: 1.0, 6: 2.0, 7: 3.0})
    assert found.mean == 2
    assert (found.low, found.high) == pytest.approx((2 - 4.3026527 / 3**0.5, 2 + 4.3026527 / 3**0.5), rel=1e-7)
    assert found.per_seed == {5: 1.0, 6: 2.0, 7: 3.0}


def test_one_seed_has_no_interval() -> None:
    assert OverSeeds.of({0: 0.25}) == OverSeeds(0.25, None, None, {0: 0.25})


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8), st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_it_moves_and_scales_with_the_values(values: list[float], shift: float, scale: float) -> None:
    one, other = (OverSeeds.of(dict(enumerate(each))) for each in (values, [scale * value + shift for value in values]))
    assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
    assert one.low <= one.mean <= one.high
    for before, after in ((one.low, other.low), (one.mean, other.mean), (one.high, other.high)):
        assert after == pytest.approx(scale * before + shift, rel=1e-6, abs=1e-6)
