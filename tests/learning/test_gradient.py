from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.gradient import Gradient
from fedsift.learning.tuning import tune_magnitudes

WIDTH = 272  # 272 * 272 entries are a large parameter.


class Layers(nn.Module):
    """Two large weights, the second used twice, with small ones between; a large one that nothing depends on."""

    def __init__(self, odd: int = 16, checkpointed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.odd = nn.Parameter(torch.randn(odd))
        self.unused = nn.Parameter(torch.randn(WIDTH, WIDTH))
        self.checkpointed = checkpointed

    def forward(self, rows: Tensor) -> Tensor:
        hidden = self.first(rows).tanh()
        for _ in range(2):
            hidden = checkpoint(self.layer, hidden, use_reentrant=False) if self.checkpointed else self.layer(hidden)
        return hidden * self.odd.sum()

    def layer(self, hidden: Tensor) -> Tensor:
        return self.second(hidden).tanh()


NAMES = ("first.weight", "first.bias", "odd", "second.weight", "second.bias", "unused")


def flat(module: nn.Module) -> FlatModel:
    return FlatModel(module, ParameterLayout(NAMES, tuple(tuple(module.get_parameter(n).shape) for n in NAMES)))


def loss(module: nn.Module, rows: Tensor) -> Tensor:
    value: Tensor = (module(rows) ** 2).mean()
    return value


def gradients(model: FlatModel, micro_batches: Sequence[tuple[Tensor, float]]) -> tuple[Tensor, float, list[slice]]:
    found, used = torch.full_like(model.weights, torch.nan), []

    def use(entries: slice, part: Tensor) -> None:
        found[entries] = part
        used.append(entries)

    value = Gradient(model).of_step(micro_batches, loss, use)
    return found, value, used


def expected(module: nn.Module, micro_batches: Sequence[tuple[Tensor, float]]) -> tuple[Tensor, float]:
    """That of torch, of the whole loss at once."""
    value = torch.stack([loss(module, rows) * share for rows, share in micro_batches]).sum()
    parameters = [module.get_parameter(name) for name in NAMES]
    found = torch.autograd.grad(value, parameters, allow_unused=True)
    parts = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
    return torch.cat([part.flatten() for part in parts]), value.item()


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("shares", [[1.0], [0.25, 0.75]])
def test_it_is_torchs_own_with_every_entry_once(shares: list[float], checkpointed: bool) -> None:
    module = Layers(checkpointed=checkpointed)
    micro_batches = [(torch.randn(5, WIDTH), share) for share in shares]
    gradient, value = expected(module, micro_batches)
    model = flat(module)
    for _ in range(2):  # Nothing of a step is left for the next.
        found, found_value, used = gradients(model, micro_batches)
        torch.testing.assert_close(found, gradient)
        assert found_value == pytest.approx(value)
        assert sum(entries.stop - entries.start for entries in used) == len(found)


def test_large_gradients_are_dropped_as_soon_as_they_are_used() -> None:
    """When the first large weight's is handed over, the second one's has been, and is gone."""
    model = flat(Layers())
    large = [run for run in model.runs if run.is_large]
    assert len(large) == 3
    order, kept = [], []

    def use(entries: slice, _: Tensor) -> None:
        order.append(entries.start)
        kept.append([run.parameters[0].grad is not None for run in large])

    Gradient(model).of_step([(torch.randn(5, WIDTH), 1.0)], loss, use)
    first, second, _ = (run.entries.start for run in large)
    assert order.index(second) < order.index(first)
    assert not any(map(any, kept))


@pytest.mark.parametrize("odd", [3, 16, 19])
def test_runs_lie_so_that_the_bits_are_those_of_one_long_vector(odd: int) -> None:
    """Whatever lies between large parameters, all runs begin on whole registers; Adam over the whole is the oracle."""
    model = flat(Layers(odd))
    assert all(run.entries.start % 16 == 0 for run in model.runs)
    signs = torch.from_numpy(sign_vector(7, model.layout.size))
    steps = [[(torch.randn(4, WIDTH), 1.0)] for _ in range(4)]
    magnitudes = tune_magnitudes(model, signs, steps, loss, 0.01)
    assert torch.equal(magnitudes, with_whole_adam(flat(Layers(odd)), signs, steps, 0.01))
    assert 0.1 < (magnitudes > 0).double().mean() < 0.9


def with_whole_adam(
    model: FlatModel, signs: Tensor, steps: Sequence[Sequence[tuple[Tensor, float]]], lr: float
) -> Tensor:
    """Section 3 of the paper on one long vector, after the whole gradient is there."""
    base, tau = model.weights.clone(), torch.zeros_like(model.weights)
    tau.grad = torch.zeros_like(tau)
    optimizer = torch.optim.Adam([tau], lr=lr, betas=(0.9, 0.999), fused=True)
    for micro_batches in steps:
        copy_to: Callable[[slice, Tensor], Tensor] = lambda entries, part: tau.grad[entries].copy_(part)  # noqa: E731
        Gradient(model).of_step(micro_batches, loss, copy_to)
        optimizer.step()
        tau.mul_(signs).clamp_(min=0).mul_(signs)
        torch.add(base, tau, out=model.weights)
    return tau * signs
