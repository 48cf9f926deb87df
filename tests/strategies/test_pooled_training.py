from collections.abc import Callable
from typing import ClassVar

import numpy as np

from fedsift.protocol.messages import read_float_array
from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.pooled_training import PooledTraining, stage_steps


def test_one_stage_takes_every_clients_steps_up_to_the_most() -> None:
    """The paper: 20 steps a client, and up to 800."""
    assert [stage_steps(20, clients, 0, 1) for clients in (1, 10, 40, 500)] == [20, 200, 800, 800]


def test_stages_cost_as_much_as_one() -> None:
    """R = 4: a = 8, so each has 8 of 20 epochs; 8/20 of 20 steps for each of 2, 4, 6 and 8 clients."""
    steps = [stage_steps(20, clients, stage, 4) for stage, clients in enumerate((2, 4, 6, 8))]
    assert steps == [16, 32, 48, 64]
    assert sum(steps) == stage_steps(20, 8, 0, 1)


def test_the_most_is_shared_out() -> None:
    """The most is shared out in the same way: a quarter of 800 for the first of four."""
    assert stage_steps(20, 500, 0, 4) == round(800 / 4 * 8 / 20)


class Dealt(PooledTraining):
    """Pools as told."""

    hands: ClassVar[list[list[list[list[str]]]]]

    def deal(self) -> list[list[list[str]]]:
        return self.hands.pop(0)

    def shared(self) -> dict[str, Vector]:
        return {}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        return []


def test_only_what_changes_trains_again(speak_as: Callable[[int], None]) -> None:
    """Two pools of two slices change places, and one of them its second slice: only that one trains, from there."""
    speak_as(1)
    Dealt.hands = [[[["a"], ["b"]], [["c"], ["d"]]], [[["c"], ["d"]], [["a"], ["e"]]]]
    strategy = Dealt(1, evaluated=())
    strategy.clients = {5: "a"}
    asked = list(strategy.train(1, grid=None))  # type: ignore[arg-type]
    assert [message.content.config_records["config"]["first"] for message in asked] == [0, 0]
    for number, pool in enumerate(strategy.pools):
        pool.checkpoints = [np.array([number * 10 + stage], np.float32) for stage in range(2)]
    (again,) = strategy.train(2, grid=None)  # type: ignore[arg-type]
    config = again.content.config_records["config"]
    assert (config["pool"], config["first"]) == (1, 1)
    assert read_float_array(again.content.array_records["start"]["values"]) == 0.0  # pool 0's first checkpoint
    assert [len(pool.checkpoints) for pool in strategy.pools] == [2, 1]
