import hashlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.flat_model import FlatModel


class Three(nn.Module):
    def __init__(self, rows: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.a, self.frozen, self.b = (nn.Parameter(torch.randn(rows, 5, generator=generator)) for _ in range(3))


LAYOUT = ParameterLayout(("b", "a"), ((4, 5), (4, 5)))


def test_parameters_are_views_in_the_layouts_order() -> None:
    module = Three()
    a, b = module.a.detach().clone(), module.b.detach().clone()
    flat = FlatModel(module, LAYOUT)
    assert torch.equal(flat.weights, torch.cat([b.flatten(), a.flatten()]))
    assert module.b.data_ptr() == flat.weights.data_ptr() and module.a.data_ptr() == flat.weights[20:].data_ptr()
    assert not module.frozen.requires_grad


def expected_weights(base: Tensor, signs: np.ndarray, magnitudes: np.ndarray) -> Tensor:
    return torch.from_numpy(base.float().numpy() + signs.astype(np.float32) * magnitudes).to(base.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [4, 60_000])
def test_magnitudes_are_added_in_float32(dtype: torch.dtype, rows: int) -> None:
    """Of parameters that are joined, and of such that take two slices each; NumPy is the oracle."""
    flat = FlatModel(Three(rows).to(dtype), ParameterLayout(("b", "a"), ((rows, 5), (rows, 5))))
    size = 2 * 5 * rows
    base, signs = flat.weights.clone(), sign_vector(9, size)
    magnitudes = np.random.default_rng(2).exponential(0.1, size).astype(np.float32)
    for given in (magnitudes, torch.from_numpy(magnitudes)):
        flat.load_magnitudes(torch.from_numpy(signs), given)
        assert flat.weights.dtype == dtype
        assert torch.equal(flat.weights, expected_weights(base, signs, magnitudes))
        assert torch.equal(flat.module.a.flatten(), flat.weights[size // 2 :])
    flat.load_base()
    assert torch.equal(flat.weights, base)


def test_other_dtypes_are_refused_by_name() -> None:
    mixed = Three()
    mixed.a.data = mixed.a.data.bfloat16()
    with pytest.raises(BadInput, match=r"parameter a is torch.bfloat16"):
        FlatModel(mixed, LAYOUT)
    with pytest.raises(BadInput, match=r"parameter b is torch.float16"):
        FlatModel(Three().half(), LAYOUT)
    halved = Three()
    halved.frozen.data = halved.frozen.data.half()
    FlatModel(halved, LAYOUT)


def test_the_digest_of_m0_covers_every_weight_and_no_training() -> None:
    module = Three()
    flat = FlatModel(module, LAYOUT)
    digest = flat.base_digest()
    a, b, frozen = (getattr(module, name).detach().clone().numpy().tobytes() for name in ("a", "b", "frozen"))
    by_hand = hashlib.sha256(LAYOUT.digest + b + a + b"frozen torch.float32 (4, 5)\n" + frozen).digest()
    assert digest == by_hand
    flat.load_task_vector(np.ones(40, np.float32))
    assert flat.base_digest() == digest
    for name in ("a", "b", "frozen"):
        other = Three()
        with torch.no_grad():
            getattr(other, name)[3, 4] += 1e-6
        assert FlatModel(other, LAYOUT).base_digest() != digest
