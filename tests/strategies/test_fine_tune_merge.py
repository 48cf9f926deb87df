import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import Refused
from fedsift.strategies.fine_tune_merge import Mean
from tests.stacks import ANY_FLOAT, Stack, stacks

# Sums 3, 0, 0, -1.5, 0.75, 6; divided by 3 members.
THREE = np.array([[1, 0.5, 0, -0.5, 0.25, 2], [1, -0.5, 0, -1, 0.5, 0], [1, 0, 0, 0, 0, 4]], np.float32)


def merge(stack: Stack) -> Mean:
    mean = Mean(stack.shape[1])
    for row in stack:
        mean.add(row)
    return mean


def test_by_hand() -> None:
    mean = merge(THREE)
    assert mean.members == 3
    assert mean.total().tolist() == [3, 0, 0, -1.5, 0.75, 6]
    assert mean.merged().tolist() == [1, 0, 0, -0.5, 0.25, 2]


@given(stack=stacks(ANY_FLOAT))
def test_the_mean_as_written(stack: Stack) -> None:
    np.testing.assert_allclose(merge(stack).merged(), stack.astype(np.float64).mean(0), rtol=1e-6, atol=2.0**-41)


@given(data=st.data(), stack=stacks(ANY_FLOAT, min_members=2))
def test_a_member_that_left_leaves_the_digest_of_one_that_never_came(data: st.DataObject, stack: Stack) -> None:
    mean = merge(np.array(data.draw(st.permutations(list(stack)))))
    mean.subtract(stack[0])
    assert mean.digest() == merge(stack[1:]).digest()
    assert mean.merged().tobytes() == merge(stack[1:]).merged().tobytes()


def test_the_digest_tells_states_apart() -> None:
    """Zeros leave the sum as it is; a member more counts all the same."""
    digests = {merge(THREE[:count]).digest() for count in range(4)}
    digests.add(merge(np.vstack([THREE, np.zeros((1, 6), np.float32)])).digest())
    assert len(digests) == 5


def test_without_members() -> None:
    mean = Mean(2)
    with pytest.raises(Refused, match="no member"):
        mean.subtract(np.zeros(2, np.float32))
    assert mean.members == 0


def test_a_refusal_counts_no_member() -> None:
    mean = merge(THREE)
    before = mean.digest()
    with pytest.raises(Refused):
        mean.subtract(np.full(6, np.nan, np.float32))
    assert mean.digest() == before
