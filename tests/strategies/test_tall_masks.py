import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.strategies.tall_masks import DENSITIES, lambda_of_density, served, tall_mask
from tests.stacks import ANY_FLOAT, SIXTEENTHS, Stack, long_stack, stacks

# The sum of three members; below, of the first: |tau_1| and |sum - tau_1|, and their ratio.
THREE = np.array([[4, 2, -1, 0, 0, 3, 1, -2], [1, 2, 1, 0, 1, 0, -1, 1], [0, 2, 1, 0, 1, 0, -3, 0]], np.float32)
TOTAL = np.array([5, 6, 1, 0, 2, 3, -3, -1], np.float32)
#   |tau_1|             4    2    1    0    0    3    1    2
#   |sum - tau_1|       1    4    2    0    2    0    4    1
#   ratio               4   0.5  0.5  inf   0   inf  0.25  2


def test_by_hand() -> None:
    assert THREE.sum(0).tolist() == TOTAL.tolist()
    for threshold, kept in [
        (0.0, [1, 1, 1, 1, 1, 1, 1, 1]),
        (0.25, [1, 1, 1, 1, 0, 1, 1, 1]),
        (0.5, [1, 1, 1, 1, 0, 1, 0, 1]),  # 2 >= 0.5 * 4 with equality
        (1.0, [1, 0, 0, 1, 0, 1, 0, 1]),
        (4.5, [0, 0, 0, 1, 0, 1, 0, 0]),  # 0 >= 4.5 * 0, and 3 >= 0
        (math.inf, [0, 0, 0, 1, 0, 1, 0, 0]),
    ]:
        assert tall_mask(THREE[0], TOTAL, threshold).tolist() == [bool(entry) for entry in kept], threshold


@pytest.mark.parametrize(
    ("density", "threshold", "kept"),
    [
        (0.1, math.inf, 2),  # round(0.8) = 1, but two ratios are infinite
        (0.3, math.inf, 2),  # round(2.4) = 2
        (0.5, 2.0, 4),
        (0.7, 0.5, 6),  # round(5.6) = 6: inf, inf, 4, 2, 0.5, 0.5
        (0.9, 0.25, 7),  # round(7.2) = 7
        (1.0, 0.0, 8),
    ],
)
def test_the_lambda_of_a_density_by_hand(density: float, threshold: float, kept: int) -> None:
    assert lambda_of_density(THREE[0], TOTAL, density) == threshold
    assert tall_mask(THREE[0], TOTAL, threshold).sum() == kept


def test_what_is_served_by_hand() -> None:
    """That is alpha * m * merged: with the mean of arXiv 2504.04626, and with the sum of TALL-masks itself."""
    mask = tall_mask(THREE[0], TOTAL, 1.0)
    assert served(TOTAL, mask).tolist() == [5, 0, 0, 0, 0, 3, 0, -1]
    assert served(TOTAL / np.float32(4), mask, alpha=1.6).tolist() == pytest.approx([2, 0, 0, 0, 0, 1.2, 0, -0.4])


@given(stack=stacks(SIXTEENTHS), threshold=st.sampled_from([0.0, 0.2, 0.25, 0.5, 1.0, 1.5, 3.0]))
def test_the_formula_as_written(stack: Stack, threshold: float) -> None:
    total = stack.sum(0)
    for row in stack.astype(np.float64):
        # A ratio is equal to 0.2 in float32 as it is on paper, and not in a float64 product: compare with 1/5.
        expected = 60 * np.abs(row) >= round(60 * threshold) * np.abs(total - row)
        assert (tall_mask(row.astype(np.float32), total, threshold) == expected).all()


@given(stack=stacks(ANY_FLOAT), density=st.one_of(st.sampled_from(DENSITIES), st.floats(0.01, 1)))
def test_the_mask_keeps_the_share_asked_for(stack: Stack, density: float) -> None:
    """At least as many entries, and no more than those strictly above lambda leave room for."""
    total = stack.sum(0)
    wanted = max(1, round(density * stack.shape[1]))
    for row in stack:
        threshold = lambda_of_density(row, total, density)
        assert tall_mask(row, total, threshold).sum() >= wanted
        if threshold < math.inf:
            above = float(np.nextafter(np.float32(threshold), np.float32(np.inf)))
            assert tall_mask(row, total, above).sum() < wanted


def test_several_slices() -> None:
    own = np.random.default_rng(0).normal(size=long_stack(1).shape[1]).astype(np.float32)
    total = own + np.random.default_rng(1).normal(size=len(own)).astype(np.float32)
    for density in DENSITIES:
        mask = tall_mask(own, total, lambda_of_density(own, total, density))
        assert mask.mean() == pytest.approx(density, abs=1e-5)
    assert tall_mask(own, own, 1e9).all()  # of a single member


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_a_density_that_is_no_share(density: float) -> None:
    with pytest.raises(BadInput, match="mask density"):
        lambda_of_density(THREE[0], TOTAL, density)
