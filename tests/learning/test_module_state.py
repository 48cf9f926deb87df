"""What a model keeps besides its parameters does not pass from client to client."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.repeatability import check_repeatable
from fedsift.learning.tasks.task import CustomTask
from fedsift.learning.tuning import tune_magnitudes
from fedsift.learning.tuning_settings import TuningSettings

LAYOUT = ParameterLayout(("line.weight",), ((1, 3),))
SETTINGS = TuningSettings(steps=3, lr=0.1, batch_size=4)
ROWS: dict[str, Any] = {
    "ann": [(1.0, 2.0, 3.0), (2.0, 0.0, 1.0)],
    "bob": [(0.0, 5.0, 1.0)],
    "eve": [(3.0, 3.0, 3.0), (1.0, 0.0, 9.0)],
}
_SEEN: list[float] = []


class Keeps(nn.Module):
    """Every kind of state that a forward pass may change, each of which moves the output."""

    def __init__(self, elsewhere: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line, self.norm = nn.Linear(3, 1), nn.BatchNorm1d(3)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("table", torch.zeros(1), persistent=False)
        self.calls, self.longest, self.elsewhere = 0, 0.0, elsewhere

    def forward(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            self.mean.mul_(0.9).add_(rows.mean(0), alpha=0.1)  # in place
            self.table = torch.full((1,), float(rows.max()))  # another tensor
            self.register_buffer("late", rows.sum(0))  # a new one
        self.calls += 1
        self.longest = max(self.longest, float(rows.max()))
        if self.elsewhere:
            _SEEN.append(1.0)
        self.norm.train(len(rows) > 1)  # with running statistics
        out: Tensor = self.line(self.norm(rows) + self.mean + self.table + self.late) * (1 + 0.1 * self.calls)
        return out + self.longest + len(_SEEN)


class Task(CustomTask):
    def model(self) -> nn.Module:
        return Keeps()

    def batch(self, encoded: Any) -> Tensor:
        return torch.tensor(encoded)

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        return model(batch).square().mean()

    def scores(self, model: nn.Module, batch: Tensor) -> Tensor:
        out: Tensor = model(batch)[:, 0]
        return out


def flat(elsewhere: bool = False) -> FlatModel:
    return FlatModel(Keeps(elsewhere), LAYOUT)


def tuned(model: FlatModel, client_id: str) -> bytes:
    batch, signs = torch.tensor(ROWS[client_id]), torch.ones(3, dtype=torch.int8)
    return tune_magnitudes(model, signs, [[(batch, 1.0)]] * 4, Task().loss, lr=0.1).numpy().tobytes()


def test_a_client_tunes_alike_whoever_came_before() -> None:
    """One worker for all, in any order, or one for each."""
    alone = {client_id: tuned(flat(), client_id) for client_id in ROWS}
    assert len(set(alone.values())) == len(ROWS)
    for order in (list(ROWS), [*ROWS][::-1]):
        model = flat()
        assert {client_id: tuned(model, client_id) for client_id in order} == alone


def test_the_base_model_stays_what_it_is() -> None:
    model = flat()
    batch = torch.tensor(ROWS["eve"])
    digest = model.base_digest()
    first = Task().scores(model.module, batch)
    tuned(model, "ann")
    model.load_base()
    assert model.base_digest() == digest
    assert torch.equal(Task().scores(model.module, batch), first)
    model.load_magnitudes(torch.ones(3, dtype=torch.int8), torch.zeros(3))
    assert torch.equal(Task().scores(model.module, batch), first)
    model.load_task_vector(torch.zeros(3))
    assert torch.equal(Task().scores(model.module, batch), first)


def test_the_mode_is_left_to_who_uses_it() -> None:
    model = flat()
    model.module.train()
    model.load_base()
    assert model.module.training


def test_state_that_cannot_be_put_back_is_told() -> None:
    check_repeatable(Task(), flat(), ROWS["ann"])
    with pytest.raises(BadInput, match=r"the loss of the same row under the same weights is .* in a buffer"):
        check_repeatable(Task(), flat(elsewhere=True), ROWS["ann"])


class Cornered(Task):
    """A loss that is 0 whatever the weights are, with the gradient 0 * infinity from some call on."""

    def __init__(self, call: int) -> None:
        self._calls, self._call = 0, call

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        self._calls += 1
        weight: Tensor = model.get_parameter("line.weight")
        return (weight * 0).sqrt().sum() if self._calls == self._call else weight.sum() * 0


@pytest.mark.parametrize("step", [1, 2, 3])
def test_no_number_comes_out_of_the_last_step(step: int) -> None:
    """Of a step before the last the next one's loss tells, unless it is a number all the same, as here."""
    for tune in (
        lambda task: tune_magnitudes(
            flat(), torch.ones(3, dtype=torch.int8), [[(torch.ones(2, 3), 1.0)]] * 3, task.loss, lr=0.1
        ),
        lambda task: FineTuner(flat(), task, SETTINGS, root_seed=1).fine_tune("ann", ROWS["ann"]),
    ):
        with pytest.raises(BadInput, match="NaN after the last step of the tuning" if step == 3 else "NaN|loss is nan"):
            tune(Cornered(step))
