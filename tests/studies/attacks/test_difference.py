import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.contribution import SLICE, Contribution
from fedsift.core.errors import BadInput
from fedsift.core.running_sums import RunningSums
from fedsift.core.upload import Upload
from fedsift.studies.attacks.difference import Recovered, Sums, before_minus_after, recovered
from tests.core.uploads import contribution, head_statistics, level_lists, terms

SIZE = 11


def sums_of(contributions: list[Contribution], capacity: int = 9, leavers: int = 0) -> Sums:
    """The sums from which the first ones have been subtracted again; each came with its part of a shared head."""
    sums = RunningSums(contributions[0].terms, capacity)
    uploads = [Upload(each, head_statistics(each.levels().tolist())) for each in contributions]
    for each in uploads:
        sums.add(each)
    for each in uploads[:leavers]:
        sums.subtract(each)
    return Sums(sums.level_sum, sums.mask_count)


@given(rows=st.lists(level_lists(SIZE, 3), min_size=1, max_size=5))
def test_one_leaver_is_recovered_whole(rows: list[list[int]]) -> None:
    contributions = [contribution(row) for row in rows]
    difference = before_minus_after(sums_of(contributions), sums_of(contributions, leavers=1))
    assert difference.level_sum.tolist() == rows[0]
    assert difference.mask_count.tolist() == [level > 0 for level in rows[0]]
    assert recovered(difference, contributions[0]) == Recovered(1.0, 1.0)


@given(rows=st.lists(level_lists(SIZE, 3), min_size=3, max_size=5))
def test_of_a_batch_only_the_sum_is_recovered(rows: list[list[int]]) -> None:
    contributions = [contribution(row) for row in rows]
    difference = before_minus_after(sums_of(contributions), sums_of(contributions, leavers=3))
    assert difference.level_sum.tolist() == np.sum(rows[:3], axis=0).tolist()
    assert difference.mask_count.tolist() == np.count_nonzero(rows[:3], axis=0).tolist()
    own = [not rows[1][entry] and not rows[2][entry] for entry in range(SIZE)]  # equal where no other leaver moved it
    kept = [entry for entry in range(SIZE) if rows[0][entry]]
    share = sum(own[entry] for entry in kept) / len(kept) if kept else 1.0
    assert recovered(difference, contributions[0]) == Recovered(sum(own) / SIZE, share)


def test_two_leavers_by_hand() -> None:
    contributions = [contribution([3, 1, 0, 0, 2, 0, 0, 0]), contribution([1, 0, 2, 0, 0, 0, 0, 3])]
    difference = before_minus_after(sums_of(contributions), sums_of(contributions, leavers=2))
    assert difference.level_sum.tolist() == [4, 1, 2, 0, 2, 0, 0, 3]
    assert difference.mask_count.tolist() == [2, 1, 1, 0, 1, 0, 0, 1]
    assert recovered(difference, contributions[0]) == Recovered(5 / 8, 2 / 3)
    assert recovered(difference, contributions[1]) == Recovered(5 / 8, 2 / 3)


def test_levels_that_happen_to_be_equal_do_not_count_if_the_count_is_not() -> None:
    difference = Sums(np.array([2], np.uint64), np.array([2], np.uint64))  # 1 + 1, not one client's 2
    assert recovered(difference, contribution([2])) == Recovered(0.0, 0.0)


def test_sums_of_other_widths_and_several_slices() -> None:
    size = SLICE + 9
    levels = np.zeros(size, np.uint32)
    levels[[0, SLICE - 1, SLICE, size - 1]] = [1, 2, 3, 1]
    one = Contribution.from_levels(levels, terms(size))
    wide = Sums(*(array.astype(np.uint64) for array in sums_of([one], capacity=30_000)))
    narrow = Sums(np.zeros(size, np.uint16), np.zeros(size, np.uint16))
    assert recovered(before_minus_after(wide, narrow), one) == Recovered(1.0, 1.0)


def test_bad_input() -> None:
    small, large = Sums(np.zeros(3, np.uint16), np.zeros(3, np.uint16)), Sums(*np.ones((2, 3), np.uint16))
    for before, after, message in (
        (small, large, "level sum: entry 0 is larger after than before"),
        (large, small._replace(mask_count=np.zeros(3, np.int64)), "mask count after: int64 of shape"),
        (large, small._replace(level_sum=small.level_sum[:2]), r"level sum after: uint16 of shape \(2,\)"),
        (large._replace(mask_count=large.mask_count[:2]), small, "mask count before: uint16"),
    ):
        with pytest.raises(BadInput, match=message):
            before_minus_after(before, after)
    with pytest.raises(BadInput, match="the contribution has 4 entries"):
        recovered(large, contribution([1, 1, 1, 1]))
