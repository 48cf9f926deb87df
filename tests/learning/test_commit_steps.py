"""Tuning whose last steps run on the quantised model."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor, nn

from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.localisation import Localisation
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.running_sums import RunningSums
from fedsift.core.sign_vector import sign_vector
from fedsift.core.upload import Upload
from fedsift.learning.tuning import Commitment, tune_magnitudes
from tests.learning.test_tuning import TWO_SLICES, Weights, flat, ones, squared_error, whole


@pytest.mark.parametrize(
    ("grid", "first_step", "seen"),
    [
        # u is (0.1, 0.1, 0), (0.2, 0.2, 0), (0.3, 0.3, 0) after the steps; at 1 bit 0.1 becomes 0, more than 0.15 0.3.
        (None, 1, [0.0, 0.1, 0.2, 0.3]),
        (QuantisationGrid(1, 0.3), 1, [0.0, 0.0, 0.3, 0.3]),
        (QuantisationGrid(1, 0.3), 2, [0.0, 0.0, 0.3, 0.3]),
        (QuantisationGrid(1, 0.3), 3, [0.0, 0.1, 0.3, 0.3]),
        (QuantisationGrid(1, 0.3, threshold=0.9), 2, [0.0, 0.0, 0.0, 0.3]),
        # With levels up to 3 a level is worth 0.14: 0.1 and 0.2 become 0.14, 0.3 becomes 0.28.
        (QuantisationGrid(3, 0.42), 2, [0.0, 0.14, 0.14, 0.28]),
        (QuantisationGrid(3, 0.42), 3, [0.0, 0.1, 0.14, 0.28]),
    ],
)
def test_three_steps_by_hand(grid: QuantisationGrid | None, first_step: int, seen: list[float]) -> None:
    """Under a constant gradient each of Adam's steps is lr; the last entry's gradient is against its sign.

    v = (+, -, +) and v * g = (-1, -1, +1): the weights of steps 1, 2, 3 and those left are (w, -w, 0).
    """
    model = flat([0.0, 0.0, 0.0])
    weights = []

    def loss(module: nn.Module, g: Tensor) -> Tensor:
        weights.append(module.w.tolist())
        return (module.w * g).sum()

    signs = torch.tensor([1, -1, 1], dtype=torch.int8)
    batches = [torch.tensor([-1.0, 1.0, 1.0])] * 3
    commitment = Commitment(grid, first_step) if grid else None
    magnitudes = tune_magnitudes(model, signs, whole(batches), loss, 0.1, commitment)
    torch.testing.assert_close(magnitudes, torch.tensor([0.3, 0.3, 0.0]))
    weights.append(model.weights.tolist())
    torch.testing.assert_close(torch.tensor(weights), torch.tensor([[each, -each, 0.0] for each in seen]))


def test_the_gradient_of_the_quantised_model_moves_u() -> None:
    """The loss (w - 0.25)^2 / 2 has the gradient w - 0.25 at the model that runs: 0, Q(0.1) = 0, Q(0.2) = 0.3.

    So Adam meets -0.25, -0.25 and +0.05. The first two steps are lr each. At the third
    m = 0.1 (0.81 * -0.25 + 0.9 * -0.25 + 0.05) / (1 - 0.9^3) and
    s = 0.001 (0.999^2 * 0.25^2 + 0.999 * 0.25^2 + 0.05^2) / (1 - 0.999^3).
    """

    def loss(module: nn.Module, goal: Tensor) -> Tensor:
        return ((module.w - goal) ** 2).sum() / 2

    steps, commitment = whole([torch.tensor(0.25)] * 3), Commitment(QuantisationGrid(1, 0.3), 2)
    magnitudes = tune_magnitudes(flat([0.0]), ones(1), steps, loss, 0.1, commitment)
    mean = 0.1 * (-0.81 * 0.25 - 0.9 * 0.25 + 0.05) / (1 - 0.9**3)
    square = 0.001 * ((0.999**2 + 0.999) * 0.25**2 + 0.05**2) / (1 - 0.999**3)
    assert magnitudes.item() == pytest.approx(0.2 - 0.1 * mean / math.sqrt(square), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("size", "commit_steps"), [(300, 0), (300, 1), (300, 4), (300, 7), (TWO_SLICES, 4)])
def test_equals_the_loop_in_plain_torch_and_numpy(dtype: torch.dtype, size: int, commit_steps: int) -> None:
    """Adam on u, the grid of NumPy, and weights set anew before each step; to the bit, 0 commit steps included."""
    torch.manual_seed(3)
    steps, lr = 7, 0.01
    grid = QuantisationGrid(3, 0.06, 0.3)
    model = flat(torch.randn(size).tolist(), dtype)
    base = model.weights.clone()
    signs = torch.from_numpy(sign_vector(4, size))
    rows = [torch.randn(6, size, dtype=dtype) for _ in range(steps)]
    commitment = Commitment(grid, steps - commit_steps + 1) if commit_steps else None
    magnitudes = tune_magnitudes(model, signs, whole(rows), squared_error, lr, commitment)

    u = torch.zeros(size)
    optimizer = torch.optim.Adam([u], lr=lr, fused=True)
    module = Weights(base.tolist()).to(dtype)
    for number, batch in enumerate(rows, start=1):
        used = (grid.quantise(u.numpy()) * grid.step).astype(np.float32) if number > steps - commit_steps else u
        module.w.data = (base.float() + signs * torch.as_tensor(used)).to(dtype)
        module.w.grad = None
        squared_error(module, batch).backward()
        u.grad = module.w.grad.float() * signs
        optimizer.step()
        u.clamp_(min=0)
    assert torch.equal(magnitudes, u)
    assert 0 < int((magnitudes > 0).sum()) < size


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("max_magnitude", [0.05, 0.1 * 0.7, 1 / 9])
def test_at_one_bit_the_model_tuned_is_the_model_served(dtype: torch.dtype, max_magnitude: float) -> None:
    """Bit for bit, whoever else is a member."""
    torch.manual_seed(5)
    size, members = 500, 7
    terms = UploadTerms(b"L" * 32, size, 9, QuantisationGrid(1, max_magnitude))
    model = flat([*torch.randn(size - 1).tolist(), -0.0], dtype)
    signs = torch.from_numpy(sign_vector(terms.sign_seed, size))
    sums = RunningSums(terms, members)
    tuned, uploads = [], []
    for _ in range(members):
        rows = [torch.randn(6, size, dtype=dtype) for _ in range(6)]
        magnitudes = tune_magnitudes(model, signs, whole(rows), squared_error, 0.02, Commitment(terms.grid, 3))
        tuned.append(model.weights.clone())
        uploads.append(quantise(magnitudes.numpy(), terms).contribution)
        sums.add(Upload(uploads[-1]))
    assert len(np.unique(sums.mask_count)) > 3
    for weights, upload in zip(tuned, uploads, strict=True):
        mask = upload.levels() > 0
        served = np.zeros(size, np.float32)
        masked = sums.level_sum[mask], sums.mask_count[mask]
        served[mask] = Localisation("coordinate").magnitudes(*masked, terms.grid.step, members)
        model.load_magnitudes(signs, served)
        kind = torch.int32 if dtype == torch.float32 else torch.int16
        assert torch.equal(model.weights.view(kind), weights.view(kind))  # so that 0 and -0 differ
        assert 0 < mask.sum() < size


@given(
    near=st.floats(2**-20, 1024, width=32),
    offset=st.integers(-3, 3),
    count=st.one_of(st.integers(1, 2**20), st.integers(1, 27).map(lambda power: 2**power + 1)),
)
def test_at_one_bit_no_number_of_members_rounds_what_is_served(near: float, offset: int, count: int) -> None:
    """C * step / C in float64 need not be step; but in float32 it is, also by the halves between two float32s."""
    step = (near + float(np.nextafter(np.float32(near), np.float32(np.inf)))) / 2
    for _ in range(abs(offset)):
        step = math.nextafter(step, math.inf if offset > 0 else 0.0)
    counts = np.array([count], np.uint32)
    served = Localisation("coordinate").magnitudes(counts, counts, step, members=count)
    assert served[0] == np.float32(step)
