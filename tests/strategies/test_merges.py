"""What holds of every merge, whatever it computes: order, slices and refusals, and what it keeps of its members."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import Refused
from fedsift.strategies.emr_merging import Emr
from fedsift.strategies.fine_tune_merge import Mean
from fedsift.strategies.negmerge import SignConsensus
from fedsift.strategies.ties import Ties
from tests.stacks import ANY_FLOAT, Stack, stacks

# By name: the merge of nobody, and bytes that it keeps of a parameter.
MERGES: dict[str, tuple[Callable[[int], Any], int]] = {
    "ties": (lambda size: Ties(size, density=0.5), 24),
    "emr": (Emr, 16),
    "negmerge": (SignConsensus, 12),
    "mean": (Mean, 8),
}
THREE = np.array([[1, -2, 3], [0, 1, 1], [4, 0, -1]], np.float32)
each_merge = pytest.mark.parametrize(("empty", "kept"), MERGES.values(), ids=MERGES)


def merge(empty: Callable[[int], Any], stack: Stack) -> Any:
    merged = empty(stack.shape[1])
    for row in stack:
        merged.add(row)
    return merged


@each_merge
@given(data=st.data(), stack=stacks(ANY_FLOAT))
def test_no_order_changes_a_bit(empty: Callable[[int], Any], kept: int, data: st.DataObject, stack: Stack) -> None:
    """Not even the sign of a zero."""
    one, other = merge(empty, stack), merge(empty, np.array(data.draw(st.permutations(list(stack)))))
    assert one.digest() == other.digest()
    assert one.merged().tobytes() == other.merged().tobytes()


@each_merge
def test_without_members(empty: Callable[[int], Any], kept: int) -> None:
    assert empty(2).merged().tolist() == [0, 0]


@each_merge
def test_memory_does_not_grow_with_the_members(empty: Callable[[int], Any], kept: int) -> None:
    assert merge(empty, THREE).nbytes == merge(empty, np.vstack([THREE] * 10)).nbytes == kept * 3


@each_merge
@pytest.mark.parametrize("refused", [*([9, odd, 9] for odd in (np.nan, np.inf, 1e30)), [1, 2], [[1, 2, 3]], [[1], [2]]])
def test_a_refusal_changes_nothing(empty: Callable[[int], Any], kept: int, refused: list[Any]) -> None:
    merged = merge(empty, THREE)
    before = merged.digest()
    with pytest.raises(Refused):
        merged.add(np.array(refused, np.float32))
    assert merged.digest() == before
