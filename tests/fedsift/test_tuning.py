import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedsift.errors import BadInput
from fedsift.flat_model import FlatModel
from fedsift.parameter_layout import ParameterLayout
from fedsift.sign_vector import sign_vector
from fedsift.tuning import TuningSettings, tune_magnitudes


class Weights(nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values))


def flat(values: list[float]) -> FlatModel:
    return FlatModel(Weights(values), ParameterLayout(("w",), ((len(values),),)))


def test_one_step_by_hand() -> None:
    """Adam's first step has size lr against the sign of v * g, and is cut where u would fall below 0.

    w = (1, 1, 1, 1), loss = 2 w0 - 3 w1 + 0.5 w2, v = (+, +, -, -): v * g = (2, -3, -0.5, 0),
    so u = (cut to 0, 0.1, 0.1, 0) and w = (1, 1.1, 0.9, 1).
    """
    model = flat([1.0, 1.0, 1.0, 1.0])
    gradient = torch.tensor([2.0, -3.0, 0.5, 0.0])
    signs = torch.tensor([1.0, 1.0, -1.0, -1.0])
    magnitudes = tune_magnitudes(model, signs, [gradient], lambda module, g: (module.w * g).sum(), lr=0.1)
    torch.testing.assert_close(magnitudes, torch.tensor([0.0, 0.1, 0.1, 0.0]))
    torch.testing.assert_close(model.weights, torch.tensor([1.0, 1.1, 0.9, 1.0]))


def test_two_steps_by_hand() -> None:
    """A constant gradient: Adam's bias-corrected step is lr each time, so u = 2 lr; a flipped one pulls u back.

    For g = (-1, -1) then (-1, +1), entry 1 has m = 0.9 * -0.1 + 0.1 = 0.01, corrected by 1 - 0.81 = 0.19 to 0.0526;
    v = 0.999 * 0.001 + 0.001 = 0.001999, corrected by 0.001999 to 1: its second step is -0.0526 lr.
    """
    batches = [torch.tensor([-1.0, -1.0]), torch.tensor([-1.0, 1.0])]
    magnitudes = tune_magnitudes(
        flat([0.0, 0.0]), torch.ones(2), batches, lambda module, g: (module.w * g).sum(), lr=0.1
    )
    torch.testing.assert_close(magnitudes, torch.tensor([0.2, 0.1 - 0.1 * 0.01 / 0.19]))


def test_equals_adam_on_tau_with_projection() -> None:
    """Section 3 of the paper, written as it stands: Adam on tau, then entries with tau * v < 0 are set to 0."""
    torch.manual_seed(1)
    size, steps, lr = 200, 15, 0.05
    base = torch.randn(size)
    signs = torch.from_numpy(sign_vector(5, size)).float()
    targets = [torch.randn(size) for _ in range(steps)]

    def loss(module: nn.Module, target: Tensor) -> Tensor:
        return ((module.w.sin() - target) ** 2).sum()

    magnitudes = tune_magnitudes(flat(base.tolist()), signs, targets, loss, lr)

    tau = torch.zeros(size, requires_grad=True)
    optimizer = torch.optim.Adam([tau], lr=lr, fused=True)
    for target in targets:
        optimizer.zero_grad()
        (((base + tau).sin() - target) ** 2).sum().backward()
        optimizer.step()
        with torch.no_grad():
            tau[tau * signs < 0] = 0.0

    assert 0 < int((magnitudes > 0).sum()) < size
    assert torch.equal(signs * magnitudes, tau.detach())


def test_tuning_starts_from_the_base_whatever_the_model_holds() -> None:
    model = flat([1.0, 2.0])
    batches = [torch.tensor([0.3, -0.7])] * 3

    def tune() -> Tensor:
        return tune_magnitudes(model, torch.ones(2), batches, lambda module, g: (module.w**2 * g).sum(), 0.1).clone()

    first = tune()
    model.load_task_vector(np.array([5.0, -5.0], np.float32))
    assert torch.equal(tune(), first)


@pytest.mark.parametrize(
    ("steps", "lr", "batch_size", "message"),
    [
        (0, 0.1, 1, "steps = 0"),
        (1, 0.0, 1, "lr = 0.0"),
        (1, float("nan"), 1, "lr = nan"),
        (1, 0.1, 0, "batch-size = 0"),
    ],
)
def test_bad_settings(steps: int, lr: float, batch_size: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        TuningSettings(steps, lr, batch_size)
