"""What holds of every merge, whatever it computes: of the order of members, of none, and of a refusal."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import Refused
from fedsift.strategies.emr_merging import Emr
from fedsift.strategies.fine_tune_merge import Mean
from fedsift.strategies.negmerge import SignConsensus
from fedsift.strategies.ties import DENSITIES, Ties
from tests.stacks import ANY_FLOAT, Stack, stacks

Empty = Callable[[int], Any]  # the merge of nobody
THREE = np.array([[1, -2, 3], [0, 1, 1], [4, 0, -1]], np.float32)
TIES = [partial(Ties, density=density) for density in DENSITIES]
each_merge = pytest.mark.parametrize("empty", [*TIES, Emr, SignConsensus, Mean])


def merge(empty: Empty, stack: Stack) -> Any:
    merged = empty(stack.shape[1])
    for row in stack:
        merged.add(row)
    return merged


def state_of(merged: Any) -> tuple[bytes, bytes]:
    """What it merges to, and its digest; NegMerge, which is made anew for each removal, has none."""
    return merged.merged().tobytes(), merged.digest() if hasattr(merged, "digest") else b""


@each_merge
@given(data=st.data(), stack=stacks(ANY_FLOAT))
def test_no_order_changes_a_bit(empty: Empty, data: st.DataObject, stack: Stack) -> None:
    """Not even the sign of a zero."""
    one, other = merge(empty, stack), merge(empty, np.array(data.draw(st.permutations(list(stack)))))
    assert state_of(one) == state_of(other)


@each_merge
def test_without_members(empty: Empty) -> None:
    assert empty(2).merged().tolist() == [0, 0]


@each_merge
@pytest.mark.parametrize("refused", [*([9, odd, 9] for odd in (np.nan, np.inf, 1e30)), [1, 2], [[1, 2, 3]], [[1], [2]]])
def test_a_refusal_changes_nothing(empty: Empty, refused: list[Any]) -> None:
    merged = merge(empty, THREE)
    before = state_of(merged)
    with pytest.raises(Refused):
        merged.add(np.array(refused, np.float32))
    assert state_of(merged) == before
