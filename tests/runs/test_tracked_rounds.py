"""Losses of clients that join one after the other, as a tracker gets them."""

from collections.abc import Mapping
from pathlib import Path

from fedsift.configuration.run_config import RunConfig
from fedsift.core.tracking import Track, TrackedOutcome, TrackedRun, Tracking
from fedsift.protocol.serving_rounds import SiftRecord
from fedsift.runs.tracked_rounds import TrackedRounds


class Losses:
    """Keeps what is logged of losses."""

    def __init__(self, run: TrackedRun) -> None:
        LOGGED.clear()

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        LOGGED.append((step, {name: value for name, value in numbers.items() if name.startswith("loss/")}))

    def finish(self, outcome: TrackedOutcome | None) -> None:
        pass


LOGGED: list[tuple[int, dict[str, float]]] = []


def logged(*rounds: Mapping[str, list[float]]) -> list[tuple[int, dict[str, float]]]:
    """What a tracker gets of rounds in which these clients join with these losses."""
    with Tracking(Track("losses", Losses, losses=True), print) as tracking:
        tracked = TrackedRounds(tracking, RunConfig())
        tracked.start("optout", Path("runs/001"), leaves=False)
        for number, losses in enumerate(rounds, start=1):
            assert tracked.on_losses
            for client_id, of_steps in losses.items():
                tracked.on_losses(client_id, of_steps)
            tracked.round_over(number, SiftRecord())
    return [(step, numbers) for step, numbers in LOGGED if numbers]


def test_clients_stand_side_by_side_in_whatever_order_they_came() -> None:
    expected = [(1, {"loss/a": 3.0, "loss/b": 4.0}), (2, {"loss/a": 1.0})]
    assert logged({"b": [4.0], "a": [3.0, 1.0]}) == expected


def test_a_client_that_joins_again_has_a_curve_of_its_own() -> None:
    assert logged({"a": [3.0]}, {"b": [2.0]}, {"a": [1.0]}) == [
        (1, {"loss/a": 3.0}),
        (1, {"loss/b": 2.0}),
        (1, {"loss/a/2": 1.0}),
    ]


def test_where_losses_are_not_tracked_clients_are_not_asked_for_them() -> None:
    with Tracking(Track("losses", Losses), print) as tracking:
        assert TrackedRounds(tracking, RunConfig()).on_losses is None
