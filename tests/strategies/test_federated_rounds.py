"""Rounds against a bare loop by hand; exactness of removals is that of all exact methods (test_exactness.py)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest

from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector
from fedsift.strategies.families.federated_rounds import FederatedRounds
from fedsift.strategies.fedavg import BETA_1, BETA_2, MU, SERVER_RATE, TAU, FedAdam, FedAvg, FedProx
from fedsift.strategies.scaffold import Scaffold
from tests.strategies.made_up_clients import LAYOUT, SCHEDULE, SIZE, STEPS, MadeUpClients

TARGETS = {"a": 1.0, "b": -3.0}  # where each client's loss has its minimum
ROWS = {"a": 1, "b": 3}
LR = 0.25
SEED = 2  # under which x is asked in one of two rounds, and y in the other
PAIR = ParameterLayout(("weight",), ((2,),))


class Descending(MadeUpClients):
    """Clients that take steps of size LR in the direction of w - target, on two weights."""

    def __init__(self, targets: Mapping[str, float] = TARGETS, rounds: int = 2, **schedule: float) -> None:
        super().__init__()
        self.targets, self.schedule = targets, replace(SCHEDULE, rounds=rounds, sample=1.0, stragglers=0.0)
        self.schedule = replace(self.schedule, **schedule)  # type: ignore[arg-type]
        self.trainings: list[tuple[int, str, LocalTraining]] = []

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        for client_id, asked in trainings.items():
            self.trainings.append((number, client_id, asked))
            weights = model.astype(np.float64)
            correction = 0.0 if asked.correction is None else asked.correction
            for _ in range(asked.steps):
                gradient = weights - self.targets[client_id] + asked.proximal * (weights - model)
                weights = weights - LR * (gradient + correction)
            rows = ROWS.get(client_id, 2)
            yield client_id, LocallyTrained(weights.astype(np.float32), rows, asked.steps, LR * asked.steps)


def descended(weight: float, target: float, proximal: float = 0.0, correction: float = 0.0) -> float:
    """What a client makes of a weight in STEPS steps."""
    start = weight
    for _ in range(STEPS):
        weight -= LR * (weight - target + proximal * (weight - start) + correction)
    return weight


def trained(method: FederatedRounds, clients: Descending) -> FederatedRounds:
    work = method.change(clients, set(clients.targets), set())
    assert (work.trainings, work.steps) == (0, 0)  # Nobody has left.
    return method


@pytest.mark.parametrize(("kind", "mu"), [(FedAvg, 0.0), (FedProx, MU)])
def test_two_clients_and_two_rounds(kind: type[FedAvg], mu: float) -> None:
    """The mean of both clients' models, of which b's counts three times."""
    weight = 0.0
    for _ in range(2):
        weight = (1 * descended(weight, 1.0, mu) + 3 * descended(weight, -3.0, mu)) / 4
    clients = Descending()
    assert trained(kind(PAIR), clients).model == pytest.approx(np.full(2, weight), rel=1e-6)
    assert [each[:2] for each in clients.trainings] == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
    assert {each[2] for each in clients.trainings} == {LocalTraining(STEPS, proximal=mu)}


def test_fedadam_by_hand() -> None:
    weight, first, second = 0.0, 0.0, TAU**2
    for _ in range(2):
        change = (1 * descended(weight, 1.0) + 3 * descended(weight, -3.0)) / 4 - weight
        first, second = BETA_1 * first + (1 - BETA_1) * change, BETA_2 * second + (1 - BETA_2) * change**2
        weight += SERVER_RATE * first / (second**0.5 + TAU)
    assert trained(FedAdam(PAIR), Descending()).model == pytest.approx(np.full(2, weight), rel=1e-5)


def test_scaffold_by_hand() -> None:
    weight, own = 0.0, {"a": 0.0, "b": 0.0}
    for _ in range(3):
        common = sum(own.values()) / 2
        models = {each: descended(weight, TARGETS[each], correction=common - own[each]) for each in own}
        own = {each: own[each] - common + (weight - models[each]) / (LR * STEPS) for each in own}
        weight = sum(models.values()) / 2
    assert trained(Scaffold(PAIR), Descending(rounds=3)).model == pytest.approx(np.full(2, weight), rel=1e-5)


def test_scaffold_of_equal_clients_is_fedavg() -> None:
    """And with others it is not, while the first round is the same."""
    equal = dict.fromkeys(("x", "y", "z"), 0.7)
    models = [trained(kind(PAIR), Descending(equal, 4)).model for kind in (FedAvg, Scaffold)]
    assert models[0].tobytes() == models[1].tobytes()
    others = {"x": 0.7, "y": -0.7, "z": 0.1}
    for rounds, same in ((1, True), (2, False)):
        models = [trained(kind(PAIR), Descending(others, rounds)).model for kind in (FedAvg, Scaffold)]
        assert (models[0].tobytes() == models[1].tobytes()) == same, rounds


def test_scaffold_corrects_who_has_never_trained_by_all_of_c() -> None:
    clients = Descending(dict.fromkeys("xy", 1.0), rounds=2, sample=0.5, seed=SEED)
    trained(Scaffold(PAIR), clients)
    (_, first, _), (_, second, later) = clients.trainings
    assert first != second
    assert later.correction is not None
    direction = -descended(0.0, 1.0) / (LR * STEPS)
    assert later.correction == pytest.approx(np.full(2, direction / 2), rel=1e-6)


def test_a_removal_costs_all_rounds() -> None:
    """Trainings, steps, bytes and time are those of the rounds of who is left."""
    method, clients = FedAvg(PAIR), Descending(dict.fromkeys("vwxyz", 1.0), rounds=3)
    method.change(clients, set("vwxyz"), set())
    before = replace(clients.spent)
    work = method.change(clients, set(), {"v"})
    assert (work.trainings, work.steps) == (12, 12 * STEPS)
    spent = clients.spent
    assert (spent.up - before.up, spent.down - before.down) == (12 * 8, 12 * 8)
    round_seconds = STEPS * 1.0 + 8 / 1e6 + 8 / 5e6
    assert spent.seconds - before.seconds == pytest.approx(3 * round_seconds)
    assert spent.joules - before.joules == pytest.approx(12 * 5 * round_seconds)


def test_scaffold_sends_twice_as_much() -> None:
    clients = Descending()
    trained(Scaffold(PAIR), clients)
    assert (clients.spent.up, clients.spent.down) == (4 * 16, 4 * 16)


def test_who_is_late_does_not_count() -> None:
    """With stragglers, the rounds are those of the others alone, in whatever order they answer."""
    clients = MadeUpClients()
    method = FedAvg(LAYOUT)
    members = {f"client {number}" for number in range(8)}
    method.change(clients, members, set())
    model = np.zeros(SIZE)
    for number in range(1, 4):
        played = SCHEDULE.play(number, members, 0.0, 0, 0)
        assert len(played.late) == 2  # of five, 0.3 rounded
        answers = dict(
            clients.local(number, model.astype(np.float32), dict.fromkeys(played.counted, LocalTraining(STEPS)))
        )
        model = sum(each.task_vector.astype(np.float64) * each.rows for each in answers.values())
        model = (model / sum(each.rows for each in answers.values())).astype(np.float32)
    np.testing.assert_allclose(method.model, model, rtol=1e-6, atol=1e-6)


def test_nobody_answers() -> None:
    clients = Descending(dropouts=1.0)
    assert trained(FedAvg(PAIR), clients).model.tolist() == [0, 0]
