import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput, Refused
from fedsift.strategies.ties import DENSITIES, SCALES, Ties, trim_threshold
from tests.stacks import ANY_FLOAT, SIXTEENTHS, Stack, long_stack, stacks


def merge(stack: Stack, density: float) -> Ties:
    ties = Ties(stack.shape[1], density=density)
    for row in stack:
        ties.add(row)
    return ties


def oracle(stack: Stack, density: float) -> np.ndarray:
    """The paper's algorithm 1 with the reference's details, on stacked vectors in float64."""
    trimmed = stack.astype(np.float64)
    for row in trimmed:
        dropped = len(row) - int(len(row) * density)
        smallest_kept = sorted(np.abs(row))[dropped - 1] if dropped else 0
        row[np.abs(row) < smallest_kept] = 0
    sign = np.sign(trimmed.sum(0))
    sign[sign == 0] = np.sign(sign.sum())
    kept = np.where(sign > 0, trimmed > 0, trimmed < 0)
    mean: np.ndarray = (trimmed * kept).sum(0) / np.maximum(kept.sum(0), 1)
    return mean


def test_by_hand() -> None:
    """Eight entries, density 0.5: the threshold is the (8 - 4) = 4th smallest magnitude.

    member 1   8  -7   1  0   6   2  0.5   5    sorted 0 0.5 1 2 5 6 7 8: threshold 2, trims 1, 0.5
    member 2   4   7  -2  0  -6   0  0.5  -5    sorted 0 0 0.5 2 4 5 6 7: threshold 2, trims 0.5
    member 3  -3   6   1  0   0   2  0.5   0    sorted 0 0 0 0.5 1 2 3 6: threshold 0.5, trims nothing but zeros

    trimmed    8  -7   0  0   6   2   0    5
               4   7  -2  0  -6   0   0   -5
              -3   6   1  0   0   2  0.5   0
    sum        9   6  -1  0   0   4  0.5   0
    sign       +   +   -  0   0   +   +    0    four + against one -: the zeros become +
    elected    +   +   -  +   +   +   +    +
    mean      12/2 13/2 -2 0  6   4/2 0.5  5
    """
    rows = [8, -7, 1, 0, 6, 2, 0.5, 5], [4, 7, -2, 0, -6, 0, 0.5, -5], [-3, 6, 1, 0, 0, 2, 0.5, 0]
    stack = np.array(rows, np.float32)
    ties = merge(stack, 0.5)
    assert [float(trim_threshold(row, 0.5)) for row in stack] == [2, 2, 0.5]
    assert ties.merged().tolist() == [6, 6.5, -2, 0, 6, 2, 0.5, 5]
    # The mirror image: now the majority is negative.
    assert merge(-stack, 0.5).merged().tolist() == [-6, -6.5, 2, 0, -6, -2, -0.5, -5]


def test_without_a_majority_the_undecided_average_their_negatives() -> None:
    """Sums 2, -2, 0: one + and one -, so the sign of the third stays 0, and 0 > 0 is false."""
    stack = np.array([[1, -1, 3], [1, -1, -3]], np.float32)
    assert merge(stack, 1.0).merged().tolist() == [1, -1, -3]


@pytest.mark.parametrize(("density", "kept"), [(0.2, 3), (0.29, 3), (0.05, 1), (0.9, 10), (1.0, 10)])
def test_trimming_keeps_one_entry_more_than_the_share(density: float, kept: int) -> None:
    """Ten magnitudes, all different: kthvalue(10 - int(10 K)) and what is larger."""
    task_vector = np.array([1, -2, 3, -4, 5, -6, 7, -8, 9, -10], np.float32)
    assert np.count_nonzero(np.abs(task_vector) >= trim_threshold(task_vector, density)) == kept


@given(stack=stacks(SIXTEENTHS), density=st.sampled_from([0.2, 0.5, 0.9, 1.0]))
def test_the_algorithm_as_written(stack: Stack, density: float) -> None:
    np.testing.assert_allclose(merge(stack, density).merged(), oracle(stack, density), rtol=1e-6)


def test_several_slices() -> None:
    stack = long_stack()
    np.testing.assert_allclose(merge(stack, 0.2).merged(), oracle(stack, 0.2), rtol=1e-6)


@given(data=st.data(), stack=stacks(ANY_FLOAT, min_members=2), density=st.sampled_from(DENSITIES))
def test_a_member_that_left_leaves_the_bits_of_one_that_never_came(
    data: st.DataObject, stack: Stack, density: float
) -> None:
    ties, never_joined = merge(np.array(data.draw(st.permutations(list(stack)))), density), merge(stack[1:], density)
    ties.subtract(stack[0])
    assert ties.digest() == never_joined.digest()
    assert ties.merged().tobytes() == never_joined.merged().tobytes()


@pytest.mark.parametrize("refused", [[-1, 2, 1], [1, np.nan, 1], [1, 2], [100, 2, 3]])
def test_who_is_no_member_is_not_subtracted(refused: list[float]) -> None:
    """A sign that nobody has, no number, another shape, and more than the sum can hold."""
    ties = merge(np.array([[1, 2, 3], [2, 2, -1]], np.float32), 1.0)
    before = ties.digest()
    with pytest.raises(Refused):
        ties.subtract(np.array(refused, np.float32))
    assert ties.digest() == before


def test_the_grids() -> None:
    assert (SCALES[0], SCALES[1], SCALES[-1], len(SCALES)) == (0.8, 0.9, 2.5, 18)
    for density in DENSITIES:
        Ties(1, density=density)


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_a_density_that_is_no_share(density: float) -> None:
    with pytest.raises(BadInput, match="TIES density"):
        Ties(1, density=density)
