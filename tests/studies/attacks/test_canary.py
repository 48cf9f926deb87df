import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.canary import LETTERS, canary, exposure


def test_exposure_by_hand() -> None:
    losses = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 5.0])
    assert exposure(losses, 1) == 3  # rank 1 of 8
    assert exposure(losses, 3) == 2
    assert exposure(losses, 0) == 1  # rank 4
    assert exposure(losses, 4) == 0  # rank 8
    assert exposure(losses, 5) == pytest.approx(3 - math.log2(3))
    assert exposure(np.array([1.0, 1.0, 2.0, 3.0]), 0) == 1  # of two equal ones, the second
    assert exposure(np.zeros(64), 10) == 0  # a model that tells none apart
    assert exposure(np.zeros(1), 0) == 0


@given(losses=st.lists(st.floats(0, 1e6), min_size=1, max_size=40), place=st.integers(0, 39))
def test_exposure_bounds(losses: list[float], place: int) -> None:
    place %= len(losses)
    bits = exposure(np.array(losses), place)
    assert 0 <= bits <= math.log2(len(losses))
    better = [*losses]
    better[place] -= 1
    assert exposure(np.array(better), place) >= bits


def test_by_chance_the_exposure_is_small() -> None:
    """Of x bits or more with probability 2^-x: 1.44 bits in the mean, with many candidates."""
    generator = np.random.default_rng(0)
    found = [exposure(generator.random(1024), 17) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(1 / math.log(2), abs=0.1)
    assert np.mean(np.array(found) >= 3) == pytest.approx(1 / 8, abs=0.03)


def test_a_canary_is_always_the_same() -> None:
    one = canary(7, "person-0003", 0)
    assert one == canary(7, "person-0003", 0)
    assert (one.secret, one.place) == ("dtxixd", 131)  # on every platform and NumPy version
    others = (canary(8, "person-0003", 0), canary(7, "person-0004", 0), canary(7, "person-0003", 1))
    for other in others:
        assert len(set(one.candidates) & set(other.candidates)) < 3
    assert canary(7, "1 a", 1).candidates != canary(7, "a", 11).candidates


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_its_candidates(bits: int) -> None:
    found = canary(1, "a", 0, bits)
    assert len(set(found.candidates)) == 2**bits
    assert list(found.candidates) == sorted(found.candidates)
    assert all(len(text) == LETTERS and text.isascii() and text.islower() for text in found.candidates)
    assert found.secret in found.candidates


def test_secrets_have_no_favourite_place() -> None:
    places = [canary(2, "a", number, bits=3).place for number in range(800)]
    counts = np.bincount(places, minlength=8)
    assert ((counts - 100) ** 2 / 100).sum() < 24.3  # chi-squared with 7 degrees of freedom, at 0.1%


def test_bad_input() -> None:
    for bits in (0, 17):
        with pytest.raises(BadInput, match=f"canary of {bits} bits"):
            canary(0, "a", 0, bits)
    for place in (-1, 3):
        with pytest.raises(BadInput, match="there are 3 candidates"):
            exposure(np.zeros(3), place)
    with pytest.raises(BadInput, match="losses of the candidates"):
        exposure(np.array([1.0, np.nan]), 0)
    with pytest.raises(BadInput, match="losses of the candidates"):
        exposure(np.array([]), 0)
