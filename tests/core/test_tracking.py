"""What a tracker is sent, and that its faults stay its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.tracking import Track, TrackedOutcome, TrackedRun, Tracking

FOUND = pandas.DataFrame([{"client": "a", "served": 0.5}])


class Listener:
    """Notes all that it is sent; raises where it is told to."""

    def __init__(self, run: TrackedRun, fails_at: str = "") -> None:
        self.run, self.fails_at = run, fails_at
        self.calls: list[Any] = []
        self._called("start")

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] == self.fails_at:
            raise ConnectionError("no route\nto host")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._called("log", step, numbers)

    def finish(self, outcome: TrackedOutcome | None) -> None:
        self._called("finish", outcome)


def tracked(made: list[Listener], fails_at: str = "", **changes: Any) -> Track:
    def start(run: TrackedRun) -> Listener:
        made.append(Listener(run, fails_at))
        return made[-1]

    return Track("mine", start, **changes)


def play(track: Track | None, error: type[BaseException] | None = None) -> list[str]:
    """A run of two rounds; returns what was warned of."""
    told: list[str] = []
    with Tracking(track, told.append) as tracking:
        tracking.start("run", Path("runs/001"), {"steps": 3}, leaves=False)
        for step in (1, 2):
            tracking.log(step, {"members/served": step / 4, "newcomers/served": None})
        if error:
            raise error
        tracking.found({"clients": FOUND}, {"result.json": Path("runs/001/result.json")})
        tracking.add_files(Path("runs/001"), [Path("runs/001/figures/scores.svg")])
    return told


def test_what_is_sent() -> None:
    made: list[Listener] = []
    assert play(tracked(made)) == []
    (listener,) = made
    assert listener.run == TrackedRun("run", "001", {"steps": 3})
    *calls, (_, outcome) = listener.calls
    assert calls == [("start",), ("log", 1, {"members/served": 0.25}), ("log", 2, {"members/served": 0.5})]
    assert outcome.tables == {"clients": FOUND}
    assert outcome.files == {name: Path("runs/001", name) for name in ("result.json", "figures/scores.svg")}


def test_a_part_of_a_sweep_has_its_own_name() -> None:
    made: list[Listener] = []
    play(tracked(made, run_name="sweep/lr=0.1/seed-2"))
    assert made[0].run.name == "sweep/lr=0.1/seed-2"


def test_without_a_tracker_nothing_happens() -> None:
    assert play(None) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, BadInput])
def test_a_run_that_ends_early_has_no_outcome(error: type[BaseException]) -> None:
    made: list[Listener] = []
    with pytest.raises(error):
        play(tracked(made), error)
    assert made[0].calls[-1] == ("finish", None)


def test_a_start_that_fails_is_an_error() -> None:
    with pytest.raises(
        BadInput, match=r"^track mine: ConnectionError: no route to host \(test_tracking.py, line \d+\)$"
    ):
        play(tracked([], "start"))


def test_what_fails_later_is_told_once() -> None:
    made: list[Listener] = []
    (told,) = play(tracked(made, "log"))
    assert told.startswith("track mine: log: ConnectionError: no route to host (")
    assert told.endswith("); nothing more is logged, and the run goes on")
    assert [call[0] for call in made[0].calls] == ["start", "log", "finish"]
    (told,) = play(tracked(made, "finish"))
    assert told.startswith("track mine: finish: ConnectionError")


def test_what_is_no_tracker() -> None:
    with pytest.raises(BadInput, match="track mine: dict has no method log"):
        play(Track("mine", lambda _: {}))  # type: ignore[arg-type, return-value]


def test_where_somebody_leaves_it_is_said() -> None:
    told: list[str] = []
    with Tracking(tracked([]), told.append) as tracking:
        tracking.start("optout", Path("runs/001"), {}, leaves=True)
    assert told == ["mine keeps what it is sent of clients that leave: no removal reaches a tracker"]
