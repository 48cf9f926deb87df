import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.roc import FIGURES, paired_differences, roc, wilson

Z = 1.959963984540054
# Twenty scores, with ties within and between the groups.
MEMBERS = np.array([0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.5, 0.4, 0.2, 0.95])
NON_MEMBERS = np.array([0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 0.2, 0.1, 0.05])

score_lists = st.lists(st.integers(-20, 20), min_size=1, max_size=25).map(lambda scores: np.array(scores, np.float64))


def kernel(members: NDArray[np.float64], non_members: NDArray[np.float64]) -> NDArray[np.float64]:
    """1, 0.5 or 0 for each pair, shape (a, b)."""
    return (1 + np.sign(members[:, None] - non_members[None, :])) / 2


def newcombe_by_scanning(auc: float, a: int, b: int) -> tuple[float, float]:
    """All theta on a fine grid that the score equation lets stand."""
    theta = np.linspace(0, 1, 200_001)
    spread = 1 + ((a + b) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    stand = theta[np.abs(auc - theta) <= Z * np.sqrt(theta * (1 - theta) * spread / (a * b)) + 1e-12]
    return float(stand.min()), float(stand.max())


def interval_by_pairs(members: NDArray[np.float64], non_members: NDArray[np.float64]) -> tuple[float, float]:
    """DeLong's interval by its definition, and Newcombe's by scanning."""
    pairs = kernel(members, non_members)
    auc = float(pairs.mean())
    low, high = newcombe_by_scanning(auc, *pairs.shape)
    if min(pairs.shape) > 1:
        width = Z * math.sqrt(
            sum((row.mean() - auc) ** 2 for row in pairs) / (len(pairs) - 1) / len(pairs)
            + sum((column.mean() - auc) ** 2 for column in pairs.T) / (len(pairs.T) - 1) / len(pairs.T)
        )
        low, high = min(low, auc - width), max(high, auc + width)
    return max(low, 0.0), min(high, 1.0)


def test_twenty_scores_by_hand() -> None:
    result = roc(MEMBERS, NON_MEMBERS)
    # Beaten by each member, ties half: 10, 9, 9, 8.5, 7.5, 6.5, 6.5, 5.5, 2.5, 10 of 10.
    assert result.auc == pytest.approx(0.75)
    assert result.auc == pytest.approx(float(kernel(MEMBERS, NON_MEMBERS).mean()))
    assert result.auc_interval == pytest.approx(interval_by_pairs(MEMBERS, NON_MEMBERS), abs=1e-5)
    # Ten non-members: no false alarm is allowed, so only 0.9 and 0.95 count, above 0.85.
    assert result.tpr_at_one_in_1000 == result.tpr_at_one_in_100 == 0.2
    assert result.tpr_at_one_in_100_interval == pytest.approx((0.05668, 0.50984), abs=1e-5)  # Wilson for 2 of 10


@given(members=score_lists, non_members=score_lists)
def test_it_is_what_all_pairs_say(members: NDArray[np.float64], non_members: NDArray[np.float64]) -> None:
    result = roc(members, non_members)
    assert result.auc == pytest.approx(float(kernel(members, non_members).mean()))
    assert result.auc_interval == pytest.approx(interval_by_pairs(members, non_members), abs=2e-5)


@given(members=score_lists, non_members=score_lists)
def test_a_monotone_transform_changes_nothing(members: NDArray[np.float64], non_members: NDArray[np.float64]) -> None:
    assert roc(np.exp(members / 7) - 3, np.exp(non_members / 7) - 3) == roc(members, non_members)


@given(members=score_lists, non_members=score_lists)
def test_swapping_the_groups_mirrors_the_area(members: NDArray[np.float64], non_members: NDArray[np.float64]) -> None:
    result, swapped = roc(members, non_members), roc(non_members, members)
    low, high = result.auc_interval
    assert swapped.auc == pytest.approx(1 - result.auc)
    assert swapped.auc_interval == pytest.approx((1 - high, 1 - low))
    assert 0 <= low <= result.auc <= high <= 1


@given(members=score_lists, non_members=st.lists(st.integers(-20, 20), min_size=1, max_size=400).map(np.array))
def test_the_share_found_is_the_best_of_all(members: NDArray[np.float64], non_members: NDArray[np.float64]) -> None:
    result = roc(members, non_members)
    for one_in, found in ((1000, result.tpr_at_one_in_1000), (100, result.tpr_at_one_in_100)):
        allowed = [t for t in np.arange(-21, 22) if np.count_nonzero(non_members > t) * one_in <= len(non_members)]
        assert found == max(np.count_nonzero(members > t) for t in allowed) / len(members)


def test_one_false_alarm_in_a_hundred() -> None:
    members, non_members = np.array([1.5, 98.5, 99.5, 198.5, 199.5]), np.arange(200.0)
    # Two of 200 may be taken for members: the threshold is 197.
    assert roc(members, non_members).tpr_at_one_in_100 == 0.4
    assert roc(members, non_members[:199]).tpr_at_one_in_100 == 0.4  # one of 199, so 197 again
    assert roc(members, non_members).tpr_at_one_in_1000 == 0.2  # none of 200: 199


def test_few_examples_never_make_certain() -> None:
    apart = roc(np.arange(20.0) + 20, np.arange(20.0))
    assert apart.auc == 1
    assert apart.auc_interval == pytest.approx((0.89867, 1), abs=1e-5)
    nearly = roc(np.append(np.arange(19.0) + 20, 18.5), np.arange(20.0))  # one pair of 400 the wrong way round
    assert 0.85 < nearly.auc_interval[0] < apart.auc_interval[0]
    assert apart.tpr_at_one_in_100 == 1
    assert apart.tpr_at_one_in_100_interval == pytest.approx((0.83887, 1), abs=1e-5)
    equal = roc(np.zeros(20), np.zeros(20))
    assert equal.auc == 0.5
    assert equal.auc_interval[0] < 0.35
    assert equal.auc_interval[1] > 0.65
    assert roc(np.ones(1), np.zeros(1)).auc_interval[0] < 0.25


# Of the last, DeLong's alone covers 0.80.
@pytest.mark.parametrize(
    ("auc", "size", "least", "most"), [(0.7, 60, 0.9, 0.99), (0.7, 300, 0.9, 0.99), (0.97, 20, 0.95, 1.0)]
)
def test_the_interval_covers_the_true_area(auc: float, size: int, least: float, most: float) -> None:
    """200 draws of normal scores that have this area."""
    generator = np.random.default_rng(7)
    shift = 2**0.5 * NormalDist().inv_cdf(auc)
    covered = 0
    for _ in range(200):
        low, high = roc(generator.normal(shift, 1, size), generator.normal(0, 1, size)).auc_interval
        covered += low <= auc <= high
    assert least <= covered / 200 <= most


def test_wilson_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for found, among, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        assert wilson(found, among) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson(20, 20)[1] == 1.0


def test_the_form_for_a_file() -> None:
    assert {key: type(value) for key, value in roc(MEMBERS, NON_MEMBERS).to_json().items()} == {
        "auc": float,
        "auc_interval": list,
        "tpr_at_0.001": float,
        "tpr_at_0.001_interval": list,
        "tpr_at_0.01": float,
        "tpr_at_0.01_interval": list,
    }


def test_a_hundred_thousand_scores() -> None:
    generator = np.random.default_rng(0)
    result = roc(generator.normal(0.741614, 1, 100_000), generator.normal(0, 1, 100_000))
    assert result.auc == pytest.approx(0.7, abs=0.005)
    assert result.auc_interval[1] - result.auc_interval[0] < 0.006


@pytest.mark.parametrize("scores", [[], [0.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_scores_that_are_none(scores: list[float]) -> None:
    with pytest.raises(BadInput, match="scores of members"):
        roc(np.array(scores), np.ones(3))
    with pytest.raises(BadInput, match="scores of non-members"):
        roc(np.ones(3), np.array(scores))


def test_differences_are_those_of_the_figures_and_pair_the_examples() -> None:
    reference = MEMBERS[::-1] - 0.3, NON_MEMBERS
    found = paired_differences((MEMBERS, NON_MEMBERS), reference, 0)
    here, there = roc(MEMBERS, NON_MEMBERS).to_json(), roc(*reference).to_json()
    for figure in FIGURES:
        difference, low, high = found[figure]
        assert difference == pytest.approx(here[figure] - there[figure])  # type: ignore[operator]
        assert low <= difference <= high
    # A constant added to all scores of both sides changes no order, whichever examples are drawn.
    same = (MEMBERS, NON_MEMBERS), (MEMBERS + 1, NON_MEMBERS + 1)
    assert paired_differences(*same, 0) == {figure: [0.0, 0.0, 0.0] for figure in FIGURES}


def test_the_interval_of_a_difference_narrows_with_examples() -> None:
    def width(repeats: int) -> float:
        sides = np.tile(MEMBERS, repeats), np.tile(NON_MEMBERS, repeats)
        _, low, high = paired_differences(sides, (sides[0] - 0.3, sides[1]), 0)["auc"]
        return high - low

    assert width(16) < width(1) / 3
