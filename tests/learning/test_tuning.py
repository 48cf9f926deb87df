from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tuning import tune_magnitudes
from fedsift.learning.tuning_settings import TuningSettings

TWO_SLICES = (1 << 18) + 9  # entries: more than a flat model handles at a time


class Weights(nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values))


def flat(values: list[float], dtype: torch.dtype = torch.float32) -> FlatModel:
    return FlatModel(Weights(values).to(dtype), ParameterLayout(("w",), ((len(values),),)))


def whole(batches: Sequence[Tensor]) -> list[list[tuple[Tensor, float]]]:
    """Steps of one micro-batch each."""
    return [[(batch, 1.0)] for batch in batches]


def ones(size: int) -> Tensor:
    return torch.ones(size, dtype=torch.int8)


def product(module: nn.Module, factor: Tensor) -> Tensor:
    return (module.w * factor).sum()


def test_one_step_by_hand() -> None:
    """Adam's first step has size lr against the sign of v * g, and is cut where u would fall below 0.

    w = (1, 1, 1, 1), loss = 2 w0 - 3 w1 + 0.5 w2, v = (+, +, -, -): v * g = (2, -3, -0.5, 0),
    so u = (cut to 0, 0.1, 0.1, 0) and w = (1, 1.1, 0.9, 1).
    """
    model = flat([1.0, 1.0, 1.0, 1.0])
    gradient = torch.tensor([2.0, -3.0, 0.5, 0.0])
    signs = torch.tensor([1, 1, -1, -1], dtype=torch.int8)
    magnitudes = tune_magnitudes(model, signs, whole([gradient]), product, lr=0.1)
    torch.testing.assert_close(magnitudes, torch.tensor([0.0, 0.1, 0.1, 0.0]))
    torch.testing.assert_close(model.weights, torch.tensor([1.0, 1.1, 0.9, 1.0]))


def test_two_steps_by_hand() -> None:
    """A constant gradient: Adam's bias-corrected step is lr each time, so u = 2 lr; a flipped one pulls u back.

    For g = (-1, -1) then (-1, +1), entry 1 has m = 0.9 * -0.1 + 0.1 = 0.01, corrected by 1 - 0.81 = 0.19 to 0.0526;
    v = 0.999 * 0.001 + 0.001 = 0.001999, corrected by 0.001999 to 1: its second step is -0.0526 lr.
    """
    batches = [torch.tensor([-1.0, -1.0]), torch.tensor([-1.0, 1.0])]
    magnitudes = tune_magnitudes(flat([0.0, 0.0]), ones(2), whole(batches), product, lr=0.1)
    torch.testing.assert_close(magnitudes, torch.tensor([0.2, 0.1 - 0.1 * 0.01 / 0.19]))


@pytest.mark.parametrize("moments", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [200, TWO_SLICES])
def test_equals_adam_on_tau_with_projection(size: int, moments: torch.dtype) -> None:
    """Section 3 of the paper, written as it stands: Adam on tau, then entries with tau * v < 0 are set to 0.

    Moments of a shorter type are rounded to it after each step.
    """
    torch.manual_seed(1)
    steps, lr = 15, 0.05
    base = torch.randn(size)
    signs = torch.from_numpy(sign_vector(5, size))
    targets = [torch.randn(size) for _ in range(steps)]

    def loss(module: nn.Module, target: Tensor) -> Tensor:
        return ((module.w.sin() - target) ** 2).sum()

    magnitudes = tune_magnitudes(flat(base.tolist()), signs, whole(targets), loss, lr, moments=moments)

    tau = torch.zeros(size, requires_grad=True)
    optimizer = torch.optim.Adam([tau], lr=lr, fused=True)
    for target in targets:
        optimizer.zero_grad()
        (((base + tau).sin() - target) ** 2).sum().backward()
        optimizer.step()
        with torch.no_grad():
            tau[tau * signs < 0] = 0.0
            for name in ("exp_avg", "exp_avg_sq"):
                optimizer.state[tau][name] = optimizer.state[tau][name].to(moments).float()

    assert 0 < int((magnitudes > 0).sum()) < size
    assert torch.equal(signs * magnitudes, tau.detach())


def test_schedule_and_decay_are_those_of_torch() -> None:
    """AdamW on tau under a LambdaLR; the decay draws the weights towards M0, since tau is what shrinks."""
    torch.manual_seed(2)
    settings = TuningSettings(steps=6, lr_schedule="cosine", warmup_share=0.3)
    factors = settings.lr_factors(6)
    base, targets = torch.randn(50), [torch.randn(50) for _ in factors]
    signs, lr, decay = torch.from_numpy(sign_vector(5, 50)), 0.05, 0.9

    def loss(module: nn.Module, target: Tensor) -> Tensor:
        return ((module.w.sin() - target) ** 2).sum()

    found = tune_magnitudes(
        flat(base.tolist()), signs, whole(targets), loss, lr, lr_factors=factors, weight_decay=decay
    )

    tau = torch.zeros(50, requires_grad=True)
    optimizer = torch.optim.AdamW([tau], lr=lr, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factors[min(step, 5)])
    for target in targets:
        optimizer.zero_grad()
        (((base + tau).sin() - target) ** 2).sum().backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            tau[tau * signs < 0] = 0.0
    assert torch.equal(signs * found, tau.detach())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"lr_schedule": "linear"}, [1, 0.75, 0.5, 0.25]),
        ({"lr_schedule": "cosine"}, [1, 0.853553, 0.5, 0.146447]),
        ({"lr_schedule": "linear", "warmup_share": 0.5}, [0.5, 1, 1, 0.5]),
        ({"warmup_share": 1.0}, [0.25, 0.5, 0.75, 1]),
    ],
)
def test_schedules_by_hand(settings: dict[str, Any], expected: list[float]) -> None:
    made = TuningSettings(steps=4, **settings)
    assert made.lr_factors(4) == expected
    assert made.reach == pytest.approx(sum(expected))


@pytest.mark.parametrize(
    ("epochs", "rows", "expected"), [(0, 7, 20), (1, 3, 1), (2, 4, 2), (1.5, 9, 3), (3, 40, 20), (0.1, 40, 1)]
)
def test_steps_of_epochs_by_hand(epochs: float, rows: int, expected: int) -> None:
    """Batches of 4; 9 rows make two a pass, and a client with fewer than 4 is a batch."""
    assert TuningSettings(steps=20, batch_size=4, epochs=epochs).steps_for(rows) == expected


def test_tuning_starts_from_the_base_whatever_the_model_holds() -> None:
    model = flat([1.0, 2.0])
    batches = [torch.tensor([0.3, -0.7])] * 3

    def tune() -> Tensor:
        return tune_magnitudes(model, ones(2), whole(batches), lambda module, g: (module.w**2 * g).sum(), 0.1)

    first = tune()
    model.load_magnitudes(ones(2), torch.tensor([5.0, 0.5]))
    assert torch.equal(tune(), first)


def squared_error(module: nn.Module, rows: Tensor) -> Tensor:
    """The mean over rows of a loss that is not linear in the weights."""
    return ((rows @ module.w.sin().to(rows.dtype)) ** 2).mean()


def test_micro_batches_have_the_gradient_of_their_batch() -> None:
    """Of 7 rows, 5 and 2 with shares 5/7 and 2/7; Adam's magnitudes then agree to rounding, run twice to the bit."""
    torch.manual_seed(2)
    values, rows = torch.randn(50).tolist(), [torch.randn(7, 50) for _ in range(4)]
    signs = torch.from_numpy(sign_vector(3, 50))
    split = [[(batch[:5], 5 / 7), (batch[5:], 2 / 7)] for batch in rows]
    ways = whole(rows), split, split
    at_once, in_parts, again = (tune_magnitudes(flat(values), signs, way, squared_error, lr=0.01) for way in ways)
    assert int((at_once > 0).sum()) > 10
    torch.testing.assert_close(in_parts, at_once)
    assert torch.equal(in_parts, again)


def test_bfloat16_keeps_magnitudes_in_float32_and_repeats() -> None:
    """An oracle in plain torch: the same float32 Adam on u, fed with the bfloat16 gradient at weights rounded once."""
    torch.manual_seed(3)
    size, lr = 300, 0.01
    model = flat(torch.randn(size).tolist(), torch.bfloat16)
    base = model.weights.clone()
    signs = torch.from_numpy(sign_vector(4, size))
    rows = [torch.randn(6, size, dtype=torch.bfloat16) for _ in range(5)]
    magnitudes = tune_magnitudes(model, signs, whole(rows), squared_error, lr)
    assert model.weights.dtype == torch.bfloat16
    assert magnitudes.dtype == torch.float32
    tuned = model.weights.clone()
    assert torch.equal(tune_magnitudes(model, signs, whole(rows), squared_error, lr), magnitudes)
    assert torch.equal(model.weights, tuned)

    expected = torch.zeros(size)
    optimizer = torch.optim.Adam([expected], lr=lr, fused=True)
    module = Weights(base.tolist()).to(torch.bfloat16)
    for batch in rows:
        module.w.grad = None
        squared_error(module, batch).backward()
        expected.grad = module.w.grad.float() * signs
        optimizer.step()
        expected.clamp_(min=0)
        module.w.data = (base.float() + signs * expected).bfloat16()
    assert torch.equal(magnitudes, expected)
    assert torch.equal(tuned, module.w.data)
    assert not torch.equal(tuned, base)


@pytest.mark.parametrize("shares", [[1.0], [0.5, 0.5]])
def test_a_loss_that_is_no_number_names_its_step(shares: list[float]) -> None:
    steps = [[(torch.tensor(factor), share) for share in shares] for factor in (1.0, float("inf"))]
    with pytest.raises(BadInput, match=r"the loss is -?(nan|inf) at step 2 of the tuning: try a smaller lr than 0.1"):
        tune_magnitudes(flat([-1.0]), ones(1), steps, product, lr=0.1)


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("lr", 0.0), ("lr", float("nan")), ("batch_size", 0)])
def test_bad_settings(name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"{name.replace('_', '-')} = {value}"):
        TuningSettings(**{name: value})
