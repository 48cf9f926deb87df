import numpy as np
import pytest

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.strategies.iso_c import isotropic


def test_by_hand() -> None:
    """A diagonal of 3 and -1 has singular values 3 and 1, mean 2: what is left of it are its signs."""
    layout = ParameterLayout(("bias", "weight", "kernel"), ((2,), (2, 2), (1, 2, 1)))
    merged = np.array([5, 7, 3, 0, 0, -1, 8, 9], np.float32)
    assert isotropic(merged, layout).tolist() == pytest.approx([5, 7, 2, 0, 0, -2, 8, 9])


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 6)])
def test_all_singular_values_are_their_mean(shape: tuple[int, int]) -> None:
    """And the directions stay: the product with the original is symmetric, with the original's singular values."""
    matrix = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    layout = ParameterLayout(("weight",), (shape,))
    served = isotropic(matrix.reshape(-1), layout).reshape(shape)
    strengths = np.linalg.svd(matrix, compute_uv=False)
    mean = strengths.mean()
    np.testing.assert_allclose(np.linalg.svd(served, compute_uv=False), mean, rtol=1e-5)
    product = served.T @ matrix / mean
    np.testing.assert_allclose(product, product.T, atol=1e-5)
    np.testing.assert_allclose(np.linalg.eigvalsh(product)[-len(strengths) :], strengths[::-1], rtol=1e-4)


def test_nothing_stays_nothing() -> None:
    layout = ParameterLayout(("weight",), ((2, 3),))
    assert not isotropic(np.zeros(6, np.float32), layout).any()
