import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.bootstrap import estimate

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@given(values=SCORES, seed=st.integers(0, 2**63 - 1))
def test_the_mean_lies_between_the_ends(values: list[float], seed: int) -> None:
    found = estimate(values, seed)
    assert found.low <= found.mean <= found.high
    assert min(values) <= found.low + 1e-9 and found.high - 1e-9 <= max(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)


@given(values=SCORES, seed=st.integers(0, 2**63 - 1), data=st.data())
def test_the_order_of_clients_is_no_matter(values: list[float], seed: int, data: st.DataObject) -> None:
    assert estimate(data.draw(st.permutations(values)), seed) == estimate(values, seed)


@given(value=st.floats(-1e6, 1e6), clients=st.integers(1, 9))
def test_clients_that_agree_leave_no_doubt(value: float, clients: int) -> None:
    found = estimate([value] * clients, 0)
    assert found.low == pytest.approx(value) == found.high
    if clients == 1:
        assert found == (value, value, value)


def test_two_clients_by_hand() -> None:
    """Of 0 and 1 the resampled means are 0, 1/2 and 1, the ends with a chance of 1/4 each: both are in the interval."""
    assert estimate([0.0, 1.0], 0) == (0.5, 0.0, 1.0)


def test_many_clients_by_the_normal_approximation() -> None:
    """Half of 400 clients have 1, the others 0: the standard error is .5 / 20, and the interval 1.96 of these."""
    mean, low, high = estimate([0.0, 1.0] * 200, 0)
    assert mean == 0.5
    assert (mean - low, high - mean) == pytest.approx((0.049, 0.049), abs=0.005)


def test_the_seed_draws_the_clients() -> None:
    values = np.arange(12) ** 2
    assert estimate(values, 1) == estimate(values, 1) != estimate(values, 2)
