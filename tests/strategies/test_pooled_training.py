from typing import ClassVar

from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, PoolTraining, Recipient
from fedsift.strategies.families.pooled_training import PooledTraining, stage_steps
from tests.strategies.made_up_clients import LAYOUT, MadeUpClients, made_up


def test_stages_cost_as_much_as_one() -> None:
    """The paper: 20 steps a client, and up to 800, which are shared out in the same way.

    R = 4: a = 8, so each has 8 of 20 epochs; 8/20 of 20 steps for each of 2, 4, 6 and 8 clients.
    """
    assert [stage_steps(20, clients, 0, 1) for clients in (1, 10, 40, 500)] == [20, 200, 800, 800]
    steps = [stage_steps(20, clients, stage, 4) for stage, clients in enumerate((2, 4, 6, 8))]
    assert steps == [16, 32, 48, 64]
    assert sum(steps) == stage_steps(20, 8, 0, 1)
    assert stage_steps(20, 500, 0, 4) == round(800 / 4 * 8 / 20)


class Dealt(PooledTraining):
    """Pools as told."""

    hands: ClassVar[list[list[list[list[str]]]]]

    def deal(self, clients: Clients) -> list[list[list[str]]]:
        return self.hands.pop(0)

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        return []


def test_only_what_changes_trains_again() -> None:
    """Two pools of two slices change places, and one of them its second slice: only that one trains, from there."""
    Dealt.hands = [[[["a"], ["b"]], [["c"], ["d"]]], [[["c"], ["d"]], [["a"], ["e"]]]]
    method, clients = Dealt(LAYOUT), MadeUpClients()
    assert method.change(clients, set("abcd"), set()).trainings == 0
    assert clients.asked == [PoolTraining([["a"], ["b"]]), PoolTraining([["c"], ["d"]])]
    first = method.pools[0].checkpoints[0]
    assert first.tolist() == made_up(["a"], 1.0, None).tolist()
    work = method.change(clients, {"e"}, {"b"})
    (again,) = clients.asked[2:]
    assert (again.slices, again.first) == ([["a"], ["e"]], 1)
    assert again.start is first
    assert (work.trainings, work.steps) == (2, 10)
    assert [len(pool.checkpoints) for pool in method.pools] == [2, 2]
