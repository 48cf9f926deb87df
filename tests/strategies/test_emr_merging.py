from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.strategies.emr_merging import Emr, emr_mask, rescaler, served
from tests.stacks import SIXTEENTHS, Stack, long_stack, stacks

# sums      6   0  -2   0   1   5
# gamma     +   -   -   -   +   +
# tau_uni   4  -1  -3   0   2   4
THREE = np.array([[4, 1, -3, 0, 2, 1], [3, -1, 2, 0, -1, 0], [-1, 0, -1, 0, 0, 4]], np.float32)
UNIFIED = np.array([4, -1, -3, 0, 2, 4], np.float32)


def merge(stack: Stack) -> Emr:
    emr = Emr(stack.shape[1])
    for row in stack:
        emr.add(row)
    return emr


def oracle(stack: Stack, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """tau_uni, masks and rescalers as the reference loops over them, in float64."""
    stack = stack.astype(np.float64)
    gamma = (stack.mean(0) > 0) * 2 - 1
    masks = stack * gamma > 0
    unified = gamma * np.max(np.abs(stack * masks), axis=0)
    ends = np.cumsum(sizes)[:-1]
    rescalers = []
    for row, mask in zip(stack, masks, strict=True):
        own = sum(np.abs(tensor).mean() for tensor in np.split(row, ends))
        masked = sum(np.abs(tensor).mean() for tensor in np.split(unified * mask, ends))
        rescalers.append(own / masked if masked else 1.0)
    return unified, masks, rescalers


def test_by_hand() -> None:
    """Tensors of 4 and 2 entries, and what the first member makes of them.

    mask        1  0  1  0 | 1  1
    mean |tau|  (4 + 1 + 3 + 0) / 4 = 2  and  (2 + 1) / 2 = 1.5:     3.5
    masked      (4 + 0 + 3 + 0) / 4 = 1.75  and  (2 + 4) / 2 = 3:    4.75
    """
    assert merge(THREE).merged().tolist() == UNIFIED.tolist()
    assert emr_mask(THREE[0], UNIFIED).tolist() == [True, False, True, False, True, True]
    assert rescaler(THREE[0], UNIFIED, (4, 2)) == 3.5 / 4.75
    assert served(THREE[0], UNIFIED, (4, 2)) == pytest.approx(np.array([4, 0, -3, 0, 2, 4]) * 3.5 / 4.75)
    # The rescaler is no ratio of whole norms. One tensor: |tau| sums to 11, |tau_uni * m| to 13.
    assert rescaler(THREE[0], UNIFIED, (6,)) == pytest.approx(11 / 13)
    # A member that agrees nowhere is served nothing.
    assert rescaler(-UNIFIED, UNIFIED, (6,)) == 1.0
    assert served(-UNIFIED, UNIFIED, (6,)).tolist() == [0] * 6


@given(stack=stacks(SIXTEENTHS), data=st.data())
def test_the_reference_as_written(stack: Stack, data: st.DataObject) -> None:
    size = stack.shape[1]
    first = data.draw(st.integers(0, size - 1))
    sizes = [first, size - first] if first else [size]
    unified, masks, rescalers = oracle(stack, sizes)
    merged = merge(stack).merged()
    assert (merged == unified).all()
    assert not np.signbit(merged[merged == 0]).any()
    for row, mask, factor in zip(stack, masks, rescalers, strict=True):
        assert (emr_mask(row, merged) == mask).all()
        assert rescaler(row, merged, sizes) == pytest.approx(factor)
        np.testing.assert_allclose(served(row, merged, sizes), factor * unified * mask, rtol=1e-6)


def test_several_slices() -> None:
    stack = long_stack()
    sizes = (7, stack.shape[1] - 7)
    unified, masks, rescalers = oracle(stack, sizes)
    merged = merge(stack).merged()
    assert (merged == unified).all()
    np.testing.assert_allclose(served(stack[1], merged, sizes), rescalers[1] * unified * masks[1], rtol=1e-6)


@pytest.mark.parametrize("sizes", [(), (4, 1), (4, 3), (6, 0), (7, -1)])
def test_sizes_of_another_model(sizes: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="tensors of"):
        rescaler(THREE[0], UNIFIED, sizes)
