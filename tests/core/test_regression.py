"""RegMean's arithmetic."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.regression import KEPT, merged_regression, regression, symmetric

LAYOUT = ParameterLayout(("bias", "weight"), ((1,), (1, 2)))


def merged(members: Sequence[tuple[list[float], NDArray[np.float64]]]) -> list[float]:
    """What members with these task vectors and Grams come to."""
    sent = [regression(np.array(tau, np.float32), {"weight": gram}, LAYOUT, 1) for tau, gram in members]
    products = np.mean([each.products for each in sent], axis=0)
    grams = {"weight": np.mean([each.grams["weight"] for each in sent], axis=0)}
    found: list[float] = merged_regression(products, grams, LAYOUT).tolist()
    return found


def test_an_input_that_one_member_alone_sees_is_weighed_by_that_member() -> None:
    """The mean would be 2 and 3; the bias, which has no Gram, is averaged."""
    members = [([6, 1, 2], np.diag([1.0, 0.0])), ([8, 3, 4], np.diag([0.0, 1.0]))]
    np.testing.assert_allclose(merged(members), [7, 1, 4], rtol=1e-5)


def test_more_input_weighs_more() -> None:
    """Three times the squared input: (1 * 3 + 3 * 1) / 4 = 1.5, and alike on the second."""
    members = [([0, 1, 2], np.diag([3.0, 1.0])), ([0, 3, 4], np.diag([1.0, 1.0]))]
    np.testing.assert_allclose(merged(members), [0, 1.5, 3], rtol=1e-5)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_the_normal_equations(seed: int, members: int) -> None:
    """Least squares over all members' inputs, with an extra row for each input where the diagonal is kept whole."""
    chance = np.random.default_rng(seed)
    inputs, weights = chance.standard_normal((members, 6, 2)), chance.standard_normal((members, 2))
    found = merged([([0, *tau], x.T @ x) for tau, x in zip(weights.tolist(), inputs, strict=True)])
    rows: list[NDArray[np.float64]] = []
    for x in inputs:
        rows += [KEPT**0.5 * x, (1 - KEPT) ** 0.5 * np.diag(np.linalg.norm(x, axis=0))]
    targets = [row @ weights[place // 2] for place, row in enumerate(rows)]
    wanted = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)[0]
    np.testing.assert_allclose(found[1:], wanted, rtol=1e-3, atol=1e-4)


def test_without_inputs_the_products_stay() -> None:
    assert merged([([1, 0, 0], np.zeros((2, 2)))]) == [1, 0, 0]


def test_a_triangle_is_a_matrix() -> None:
    assert symmetric(np.array([1, 2, 3, 4, 5, 6], np.float32)).tolist() == [[1, 2, 3], [2, 4, 5], [3, 5, 6]]
