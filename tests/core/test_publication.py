"""Noise of a publication: a normal distribution, the same for the same state, and of the size that is said."""

import numpy as np
import pytest

from fedsift.core.publication import publication_noise, sensitivity

SECRET, STATE = b"s" * 16, bytes(range(32))


def test_one_member_moves_the_sum_by_no_more() -> None:
    """Of 3 entries and a highest level of 4: the member that has it everywhere moves the sum by sqrt(48)."""
    assert sensitivity(4, 3) == pytest.approx(np.linalg.norm([4, 4, 4]))


def test_a_state_has_one_noise() -> None:
    """Another state, secret or place has another."""
    noise = publication_noise(SECRET, STATE, 100.0)(0, 50)
    assert (publication_noise(SECRET, STATE, 100.0)(0, 50) == noise).all()
    others = [(SECRET, bytes(32), 0), (b"t" * 16, STATE, 0), (SECRET, STATE, 50)]
    for secret, state, start in others:
        assert (publication_noise(secret, state, 100.0)(start, 50) != noise).mean() > 0.9


@pytest.mark.parametrize("deviation", [0.5, 30.0])
def test_noise_is_normal_and_whole(deviation: float) -> None:
    """Mean, deviation and share within one deviation, of 200,000 draws; rounding adds 1/12 to the variance."""
    drawn = publication_noise(SECRET, STATE, deviation)(0, 200_000)
    assert (drawn == np.rint(drawn)).all()
    assert drawn.mean() == pytest.approx(0, abs=0.01 * deviation)
    assert drawn.var() == pytest.approx(deviation**2 + 1 / 12, rel=0.03)
    if deviation > 1:
        assert (abs(drawn) <= deviation).mean() == pytest.approx(0.683, abs=0.02)
        assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01
