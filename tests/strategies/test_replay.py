"""From where a replay goes on, and what that costs; that it ends right is in test_exactness.py."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Vector
from fedsift.core.virtual_clock import Device, Spent
from fedsift.strategies.families.clusters import random_cluster
from fedsift.strategies.fedavg import FedAvg
from fedsift.strategies.replay import KEPT, ReplayedCentralFineTuning, ReplayedFedAvg
from tests.strategies.made_up_clients import LAYOUT, SIZE, STEPS, MadeUpClients

MEMBERS = {f"client {number}" for number in range(9)}  # of which 4 are asked, and of eight as well


class Numbered(MadeUpClients):
    """Note which rounds are trained, on devices that are not all as fast."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.rounds: list[int] = []
        self.schedule = Schedule(lambda _: STEPS, rounds=rounds, sample=0.45, device=self.device)

    def device(self, client_id: str) -> Device:
        return Device(step_seconds=float(client_id[-1]) + 1)

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        self.rounds.append(number)
        return super().local(number, model, trainings)


def first_round(schedule: Schedule, client_id: str) -> int:
    """In which a client is asked first; a round later than the last where it never is."""
    rounds = range(1, schedule.rounds + 1)
    return next((each for each in rounds if client_id in schedule.asked(each, MEMBERS)), schedule.rounds + 1)


def test_rounds_before_the_leavers_first_are_not_played_again() -> None:
    """Each leaves on its own; all that a round takes is counted for those that are played, and no more."""
    firsts = set()
    for leaver in sorted(MEMBERS):
        method, clients = ReplayedFedAvg(LAYOUT), Numbered(6)
        assert method.change(clients, MEMBERS, set()).trainings == 0
        first = first_round(clients.schedule, leaver)
        firsts.add(first)
        clients.rounds, clients.spent = [], Spent()
        work = method.change(clients, set(), {leaver})
        assert clients.rounds == list(range(first, 7))
        assert (work.trainings, work.steps) == (4 * (7 - first), 4 * STEPS * (7 - first))
        expected = Spent()
        for number in clients.rounds:
            expected.add(clients.schedule.play(number, MEMBERS - {leaver}, 0.0, 4 * SIZE, 4 * SIZE).spent)
        assert clients.spent == expected
        never = FedAvg(LAYOUT)
        never.change(Numbered(6), MEMBERS - {leaver}, set())
        assert method.model.tobytes() == never.model.tobytes()
    assert min(firsts) == 1
    assert len(firsts) > 2


def test_of_many_rounds_ten_models_are_kept() -> None:
    """One after every third of 25, and the last: a leaver first asked in round 5 has 4 to 25 played again."""
    clients = Numbered(25)
    leavers = {first_round(clients.schedule, each): each for each in sorted(MEMBERS)}
    late = max(leavers)
    assert late > 3
    method = ReplayedFedAvg(LAYOUT)
    method.change(clients, MEMBERS, set())
    assert sorted(method._kept) == [0, 3, 6, 9, 12, 15, 18, 21, 24, 25]
    clients.rounds = []
    method.change(clients, set(), {leavers[late]})
    assert clients.rounds == list(range((late - 1) // 3 * 3 + 1, 26))
    assert len(method._kept) - 1 <= KEPT  # M0 takes no room


def test_a_share_of_fewer_members_can_move_the_common_point() -> None:
    """Of seven members 4 are asked, of six 3: somebody else is missing in the first round, whenever the leaver came."""
    method, clients = ReplayedFedAvg(LAYOUT), Numbered(6)
    clients.schedule = replace(clients.schedule, sample=0.5)
    members = MEMBERS - {"client 7", "client 8"}
    method.change(clients, members, set())
    asked = clients.schedule.asked(1, members)
    late = min(members - set(asked))
    assert (len(asked), len(clients.schedule.asked(1, members - {late}))) == (4, 3)
    clients.rounds = []
    method.change(clients, set(), {late})
    assert clients.rounds == [1, 2, 3, 4, 5, 6]


def test_one_model_goes_back_to_before_the_leavers_slice() -> None:
    method, clients = ReplayedCentralFineTuning(LAYOUT), MadeUpClients()
    method.change(clients, MEMBERS, set())
    for leaver in sorted(MEMBERS):
        stage = random_cluster(leaver, KEPT, "slice")
        left = len(method.members) - 1
        work = method.change(clients, set(), {leaver})
        if left:
            assert clients.asked[-1].first == stage
            assert (work.trainings, work.steps) == (left, (KEPT - stage) * STEPS)
