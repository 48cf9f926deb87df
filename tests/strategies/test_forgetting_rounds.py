"""Approximate unlearning on top of rounds, by hand; that it is no exact removal says test_exactness.py."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.local_training import LocallyTrained, LocalTraining, Objective
from fedsift.core.task_vectors import Vector
from fedsift.core.virtual_clock import Load
from fedsift.strategies.families.forgetting_rounds import DifferenceRounds, ForgettingRounds
from fedsift.strategies.fedavg import MU, FedAvg
from fedsift.strategies.federaser import FedEraser
from fedsift.strategies.fedup import FedUp, pruned
from fedsift.strategies.graddiff import GradDiff
from fedsift.strategies.gradient_ascent import GradientAscent, Npo
from fedsift.strategies.knot import Knot
from fedsift.strategies.registry import COMPARED, compared_named, method_named
from fedsift.strategies.simnpo import SimNpo
from tests.strategies.made_up_clients import LAYOUT, SCHEDULE, SIZE, STEPS, MadeUpClients, made_up

MEMBERS = {f"client {number}" for number in range(8)}
FORGETTING = sorted(name for name, method in COMPARED.items() if issubclass(method, ForgettingRounds))


class Everybody(MadeUpClients):
    """All members in each round; what they train is no more sensitive to the model than it must be."""

    def __init__(self, rounds: int = 3, score: object = lambda *_: 0.5) -> None:
        super().__init__(score=score)  # type: ignore[arg-type]
        self.schedule = replace(SCHEDULE, rounds=rounds, sample=1.0, stragglers=0.0)

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        for client_id in self._in_some_order(set(trainings)):
            asked = trainings[client_id]
            trained = (0.5 * model + made_up(client_id, number, asked.kind)).astype(np.float32)
            yield client_id, LocallyTrained(trained, len(client_id), asked.steps, 0.5)

    def mean(self, number: int, model: Vector, ids: set[str], asked: LocalTraining) -> Vector:
        """Of the clients' models after a round; the rows that these clients have are equally many."""
        found = [each.task_vector for _, each in self.local(number, model, dict.fromkeys(ids, asked))]
        return np.mean(found, axis=0, dtype=np.float64).astype(np.float32)


@pytest.mark.parametrize("name", FORGETTING)
def test_it_trains_as_what_it_stands_on(name: str) -> None:
    for below in ("fedavg", "fedprox", "fedadam", "scaffold"):
        models = []
        for method in (compared_named(below), compared_named(f"{below}+{name}")):
            state = method(LAYOUT)
            state.change(MadeUpClients(), MEMBERS, set())
            models.append(state.shared()["model"].tobytes())
        assert models[0] == models[1], below


@pytest.mark.parametrize("name", FORGETTING)
def test_nobody_who_stays_is_m0(name: str) -> None:
    method = COMPARED[name](LAYOUT)
    method.change(MadeUpClients(), {"client 1"}, set())
    method.change(MadeUpClients(), set(), {"client 1"})
    assert not method.shared()["model"].any()


@pytest.mark.parametrize(("kind", "objective"), [(GradientAscent, Objective.ASCENT), (Npo, Objective.NPO)])
def test_the_leavers_change_the_model_as_far_as_others_allow(kind: type[GradientAscent], objective: Objective) -> None:
    """The leaver's score falls with the scale, those of others by less than a twentieth up to 0.45."""
    models: list[Vector] = []

    def score(client_id: str, model: Vector) -> float:
        scale = float((model - models[0])[0] / (models[1] - models[0])[0]) if models else 0.0
        return 1 - scale if client_id == "client 0" else 1 - 0.11 * scale

    clients, method = Everybody(score=score), kind(LAYOUT)
    method.change(clients, MEMBERS, set())
    before = method.model
    (leaver,) = clients.local(4, before, {"client 0": LocalTraining(STEPS, objective)})
    models += [before, leaver[1].task_vector]
    spent = replace(clients.spent)
    work = method.change(clients, set(), {"client 0"})
    assert method.hyper_parameters == {"scale": 0.45}
    np.testing.assert_allclose(method.model, before + 0.45 * (models[1] - before), rtol=1e-5, atol=1e-6)
    assert (work.trainings, work.steps, work.validation_scorings) == (1, STEPS, 21 * 6)
    assert (clients.spent.up - spent.up, clients.spent.down - spent.down) == (4 * SIZE, 4 * SIZE)


@pytest.mark.parametrize(("kind", "objective"), [(GradDiff, Objective.ASCENT), (SimNpo, Objective.SIMNPO)])
def test_those_who_stay_train_beside_the_leavers(kind: type[DifferenceRounds], objective: Objective) -> None:
    """Nothing costs the others anything, so all of both changes is added; side by side, in the time of one training."""
    models: list[Vector] = []

    def score(client_id: str, model: Vector) -> float:
        return 1 - float((model - models[0])[0] / (models[1] - models[0])[0]) if client_id == "client 0" else 1.0

    clients, method = Everybody(score=score), kind(LAYOUT)
    method.change(clients, MEMBERS, set())
    before, staying = method.model, MEMBERS - {"client 0"}
    (leaver,) = clients.local(4, before, {"client 0": LocalTraining(STEPS, objective)})
    stayed = clients.mean(4, before, staying, LocalTraining(STEPS))
    wanted, spent = leaver[1].task_vector + stayed - before, replace(clients.spent)
    models += [before, wanted]
    work = method.change(clients, set(), {"client 0"})
    assert method.hyper_parameters == {"scale": 1.0}
    np.testing.assert_allclose(method.model, wanted, rtol=1e-5, atol=1e-5)
    assert (work.trainings, work.steps) == (8, 8 * STEPS)
    assert (clients.spent.up - spent.up, clients.spent.down - spent.down) == (8 * 4 * SIZE, 8 * 4 * SIZE)
    once = clients.schedule.device("").seconds(Load(STEPS, 4 * SIZE, 4 * SIZE))
    assert clients.spent.seconds - spent.seconds == pytest.approx(once)


def test_federaser_by_hand() -> None:
    """Rounds 1 and 3 of three, half of the steps: new directions of the old lengths, each parameter by itself."""
    clients, method = Everybody(), FedEraser(LAYOUT)
    method.change(clients, MEMBERS, set())
    models, whole = [np.zeros(SIZE, np.float32)], LocalTraining(STEPS)
    for number in (1, 2, 3):
        models.append(clients.mean(number, models[-1], MEMBERS, whole))
    np.testing.assert_allclose(method.model, models[-1], rtol=1e-5, atol=1e-6)
    staying, model = MEMBERS - {"client 3"}, models[0]
    for number in (1, 3):
        old = dict(clients.local(number, models[number - 1], dict.fromkeys(staying, whole)))
        new = dict(clients.local(number, model, dict.fromkeys(staying, LocalTraining(STEPS // 2))))
        updates = []
        for each in staying:
            before, after = old[each].task_vector - models[number - 1], new[each].task_vector - model
            parts = zip(np.split(before, [9]), np.split(after, [9]), strict=True)
            updates.append(np.concatenate([b / np.linalg.norm(b) * np.linalg.norm(a) for a, b in parts]))
        model = (model + np.mean(updates, axis=0)).astype(np.float32)
    work = method.change(clients, set(), {"client 3"})
    assert (work.trainings, work.steps) == (2 * 7, 2 * 7 * STEPS // 2)
    np.testing.assert_allclose(method.model, model, rtol=1e-4, atol=1e-5)
    # A second removal calibrates what the first one has left.
    assert method.change(clients, set(), {"client 4"}).trainings == 2 * 6


def test_pruning_by_hand() -> None:
    """Of ten entries the one with the highest rank, of five none, and of twenty two."""
    model, rank = np.arange(1, 36, dtype=np.float32), np.zeros(35, np.float32)
    rank[[3, 12, 20, 30, 21]] = [5, 9, 3, 4, 2]
    found = pruned(model, rank, [10, 5, 20])
    assert np.flatnonzero(found == 0).tolist() == [3, 20, 30]
    assert np.array_equal(np.delete(found, [3, 20, 30]), np.delete(model, [3, 20, 30]))


def test_fedup_prunes_and_trains_on() -> None:
    clients, method = Everybody(), FedUp(LAYOUT)
    method.change(clients, MEMBERS, set())
    model, staying = method.model, MEMBERS - {"client 0"}
    last = dict(clients.local(3, _model_after(clients, 2), dict.fromkeys(MEMBERS, LocalTraining(STEPS))))
    stayed = np.mean([last[each].task_vector for each in staying], axis=0)
    rank = (last["client 0"].task_vector - stayed) ** 2 * np.abs(model)
    start = pruned(model, rank, LAYOUT.sizes)
    assert (start == 0).sum() == 1  # of nine entries; of three none
    work = method.change(clients, set(), {"client 0"})
    assert work.trainings == 7  # one round: a fifth of three
    np.testing.assert_allclose(
        method.model, clients.mean(4, start, staying, LocalTraining(STEPS)), rtol=1e-5, atol=1e-6
    )


def _model_after(clients: Everybody, rounds: int) -> Vector:
    method, short = FedAvg(LAYOUT), Everybody(rounds)
    method.change(short, MEMBERS, set())
    return method.model


def test_knot_trains_only_the_leavers_cluster() -> None:
    """Side by side: the clock goes on by the slowest cluster, and of a removal by one."""
    clients, method = Everybody(), Knot(LAYOUT)
    method.change(clients, MEMBERS, set())
    one_round = clients.schedule.device("").seconds(Load(STEPS, 4 * SIZE, 4 * SIZE))
    assert clients.spent.seconds == pytest.approx(3 * one_round)
    clusters: dict[float, set[str]] = {}
    for each in MEMBERS:
        clusters.setdefault(method.own_terms(each)["cluster"], set()).add(each)
    leaver, before = "client 0", method.shared()
    place = method.own_terms(leaver)["cluster"]
    work = method.change(clients, set(), {leaver})
    assert work.trainings == 3 * (len(clusters[place]) - 1)
    assert method.own_terms(leaver) == {}
    for key, model in method.shared().items():
        assert (model.tobytes() == before[key].tobytes()) == (key != str(place))


def test_names_that_cannot_be_put_together() -> None:
    assert compared_named("fedprox+npo")(LAYOUT).asked("client 0", 1).proximal == MU  # type: ignore[attr-defined]
    for name, told in (
        ("ties+npo", "unknown method that trains in rounds 'ties'"),
        ("fedavg+fedprox", "unknown method that forgets on top of rounds 'fedprox'"),
        ("fedavgg", "did you mean 'fedavg'"),
    ):
        with pytest.raises(BadInput, match=told):
            method_named(name)
