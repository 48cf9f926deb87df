import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput, Refused
from fedsift.core.running_sums import RunningSums
from tests.core.uploads import highest_levels, level_lists, terms, whole


def test_by_hand() -> None:
    sums = RunningSums(terms(4), capacity=2)
    sums.add(whole([0, 1, 3, 0]))
    sums.add(whole([0, 2, 3, 1]))
    assert sums.level_sum.tolist() == [0, 3, 6, 1]
    assert sums.mask_count.tolist() == [0, 2, 2, 1]


@given(data=st.data(), highest=highest_levels, size=st.integers(1, 20), members=st.integers(1, 8))
def test_all_minus_some_is_the_sum_of_the_rest(data: st.DataObject, highest: int, size: int, members: int) -> None:
    """In bits, whatever the order of arrival and of departure."""
    everyone = [whole(data.draw(level_lists(size, highest)), highest) for _ in range(members)]
    leaving = data.draw(st.sets(st.integers(0, members - 1)))
    sums, rest = RunningSums(terms(size, highest), members), RunningSums(terms(size, highest), members)
    for index in data.draw(st.permutations(range(members))):
        sums.add(everyone[index])
    for index in data.draw(st.permutations(sorted(leaving))):
        sums.subtract(everyone[index])
    for index in set(range(members)) - leaving:
        rest.add(everyone[index])
    for (_, found), (_, expected) in zip(sums.vectors(), rest.vectors(), strict=True):
        assert found.tobytes() == expected.tobytes()


def test_the_highest_sum_fits() -> None:
    sums = RunningSums(terms(1, 2**16 - 1), capacity=3)
    for _ in range(3):
        sums.add(whole([2**16 - 1], highest=2**16 - 1))
    assert sums.level_sum.tolist() == [3 * (2**16 - 1)]


@pytest.mark.parametrize(
    ("highest", "capacity", "level_type", "count_type"),
    [
        (2, 32_767, np.uint16, np.uint16),
        (2, 32_768, np.uint32, np.uint16),
        (3, 21_845, np.uint16, np.uint16),
        (3, 21_846, np.uint32, np.uint16),
        (2**16 - 1, 500, np.uint32, np.uint16),
        (2**32 - 1, 500, np.uint64, np.uint16),
        (1, 70_000, np.uint32, np.uint32),
    ],
)
def test_widths_follow_from_both(highest: int, capacity: int, level_type: type, count_type: type) -> None:
    sums = RunningSums(terms(1, highest, head=None), capacity)
    assert (sums.level_sum.dtype, sums.mask_count.dtype) == (level_type, count_type)
    assert sums.nbytes == np.dtype(level_type).itemsize + np.dtype(count_type).itemsize


def test_too_large_a_sum_is_refused() -> None:
    with pytest.raises(BadInput, match="does not fit 64 bits"):
        RunningSums(terms(1, 2**32 - 1, head=None), 2**33)
    with pytest.raises(BadInput, match="a shared head has room for"):
        RunningSums(terms(1), 2**32)


def test_subtracting_what_is_not_there_changes_nothing() -> None:
    sums = RunningSums(terms(3), 5)
    sums.add(whole([1, 2, 0]))
    before = [vector.tobytes() for _, vector in sums.vectors()]
    for absent in ([1, 3, 0], [1, 2, 1]):
        with pytest.raises(Refused, match="do not contain"):
            sums.subtract(whole(absent))
        assert [vector.tobytes() for _, vector in sums.vectors()] == before
