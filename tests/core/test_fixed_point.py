from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import Refused
from fedsift.core.fixed_point import SCALE, FixedPointSum
from tests.stacks import ANY_FLOAT, Stack, long_stack, stacks

UNIT = 2.0**-SCALE


def vector(*entries: float) -> np.ndarray:
    return np.array(entries, np.float32)


def summed(rows: Iterable[np.ndarray], size: int) -> FixedPointSum:
    total = FixedPointSum(size)
    for row in rows:
        total.add(row)
    return total


def test_by_hand() -> None:
    """In units of 2^-40: 1 is 2^40; 2.5 units round to 2 and 3.5 to 4, ties to even; half a unit rounds to 0."""
    total = FixedPointSum(5)
    total.add(vector(1, -1, 2.5 * UNIT, 3.5 * UNIT, -UNIT / 2))
    assert total.units.tolist() == [2**40, -(2**40), 2, 4, 0]
    total.add(vector(0.5, 0.25, 0, 0, -UNIT))
    assert total.units.tolist() == [3 * 2**39, -3 * 2**38, 2, 4, -1]
    assert total.total().tolist() == [1.5, -0.75, 2 * UNIT, 4 * UNIT, -UNIT]
    assert total.mean(4).tolist() == [0.375, -0.1875, UNIT / 2, UNIT, -UNIT / 4]


def test_only_what_is_kept_counts() -> None:
    total = FixedPointSum(3)
    keep = np.array([True, False, True])
    total.add(vector(1, 2, -3), keep)
    assert total.total().tolist() == [1, 0, -3]


@given(st.integers(2**23, 2**24 - 1), st.integers(-40, -1), st.sampled_from([1, -1]))
def test_entries_from_two_to_the_minus_17_are_exact(significand: int, last_bit: int, sign: int) -> None:
    """A float32 with all of its 24 significant bits, the last worth 2^-40 to 2^-1: from 2^-17 to under 2^23."""
    entry = np.float32(sign * np.ldexp(float(significand), last_bit))
    total = FixedPointSum(1)
    total.add(np.array([entry]))
    assert Fraction(int(total.units[0]), 2**SCALE) == Fraction(float(entry))


@given(data=st.data(), stack=stacks(ANY_FLOAT))
def test_no_order_changes_a_bit_and_subtraction_is_the_inverse(data: st.DataObject, stack: Stack) -> None:
    members, size = stack.shape
    leaving = data.draw(st.sets(st.integers(0, members - 1)))
    total = summed(stack[data.draw(st.permutations(range(members)))], size)
    for member in data.draw(st.permutations(sorted(leaving))):
        total.subtract(stack[member])
    rest = summed(stack[sorted(set(range(members)) - leaving)], size)
    assert total.units.tobytes() == rest.units.tobytes()
    assert total.total().tobytes() == rest.total().tobytes()


@given(stack=stacks(ANY_FLOAT))
def test_the_sum_is_that_of_fractions_rounded_to_units(stack: Stack) -> None:
    expected = [sum(round(Fraction(float(entry)) * 2**SCALE) for entry in column) for column in stack.T]
    assert summed(stack, stack.shape[1]).units.tolist() == expected


def test_several_slices() -> None:
    stack = long_stack()
    assert (summed(stack, stack.shape[1]).mean(3) == (stack.sum(0, dtype=np.float64) / 3).astype(np.float32)).all()


def test_the_range_is_two_to_the_23() -> None:
    """Two vectors of 2^22 would reach 2^63 units, one more than fits; a unit of float32 less each, and they fit."""
    total = summed([vector(2.0**22, 0)], 2)
    before = total.units.tobytes()
    for more in (vector(2.0**22, 1), vector(0, 1e30)):
        with pytest.raises(Refused, match=r"could exceed 2\^23"):
            total.add(more)
    assert total.units.tobytes() == before
    below = np.nextafter(np.float32(2.0**22), np.float32(0))
    total.add(vector(below, -below))
    assert total.units.tolist() == [2**62 + int(float(below) * 2**40), -int(float(below) * 2**40)]


def test_what_leaves_makes_room() -> None:
    total = FixedPointSum(1)
    for _ in range(3):
        total.add(vector(2.0**22))
        total.subtract(vector(2.0**22))
    assert total.units.tolist() == [0]


def test_a_refusal_changes_nothing() -> None:
    total = summed([vector(5, 5)], 2)
    for operation, entries, reason in (
        (total.add, (1, np.nan), "not finite"),
        (total.subtract, (1, np.nan), "not finite"),
        (total.subtract, (0, 6), "does not contain"),
    ):
        with pytest.raises(Refused, match=reason):
            operation(vector(*entries))
        assert total.total().tolist() == [5, 5]


def test_the_mean_of_nothing_is_zero() -> None:
    assert FixedPointSum(2).mean(0).tolist() == [0, 0]


def test_units_are_64_bit_integers() -> None:
    total = FixedPointSum(2)
    total.add(vector(1, -UNIT))
    assert total.units.dtype == np.int64
    assert total.units.tolist() == [2**40, -1]
