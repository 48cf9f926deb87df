"""What a scenario costs in rounds, by hand."""

import dataclasses
from pathlib import Path

import pytest

from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.round_schedule import Schedule
from fedsift.core.virtual_clock import Device, Spent
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.optout.on_clock import OnClock, on_clock
from fedsift.studies.optout.play_scenario import play
from fedsift.studies.optout.scenario import parse_scenario
from fedsift.studies.optout.step_log import Step

SLOW = "c"  # takes 3 s a step; the others 1 s


def step(number: int, left: str = "", joined: str = "", bytes_up: int = 0) -> Step:
    nothing = {"asked": [], "refused": {}, "offline": [], "failures": {}, "state_digest": "", "scores": None}
    counts = {"members": 0, "trainings": 0, "steps_retrained": 0, "seconds": 0.0}
    return Step(step=number, left=[*left], joined=[*joined], bytes_up=bytes_up, **nothing, **counts)  # type: ignore[arg-type]


def test_by_hand() -> None:
    """Of five, b and c leave, then nobody, then b comes back: four rounds of 10 steps with three, then four members."""
    steps = [step(0, joined="abcde"), step(1, "bc", bytes_up=2000), step(2), step(3, joined="b", bytes_up=1000)]
    schedule = Schedule(
        lambda _: 10,
        rounds=4,
        device=lambda each: Device(3.0 if each == SLOW else 1.0, down=1000, up=1000, watts=2),
    )
    found = on_clock(steps, schedule, parameters=250, own_steps=lambda _: 20)
    assert list(found) == ["SIFT-Masks", "FedAvg", "FedProx", "FedAdam", "SCAFFOLD"]
    # c's 60 seconds and a kilobyte up; then b's 20 seconds and another.
    assert found["SIFT-Masks"] == OnClock(3, Spent(61 + 21, 3000, 0, 2 * (21 + 61 + 21)))
    # A round is a kilobyte each way, and 10 seconds.
    assert found["FedAvg"] == OnClock(28, Spent(8 * 12, 28_000, 28_000, 2 * 28 * 12))
    assert found["FedAvg"] == found["FedProx"] == found["FedAdam"]
    assert found["SCAFFOLD"] == OnClock(28, Spent(8 * 14, 56_000, 56_000, 2 * 28 * 14))
    assert on_clock(steps, dataclasses.replace(schedule, rounds=0), 250, lambda _: 20) == {}


def test_a_scenario_has_it_beside_its_own(tiny_config: RunConfig, tmp_path: Path) -> None:
    scenario = parse_scenario('title = "t"\n[[leave]]\nclients = ["client 1"]', "s.toml")
    config = dataclasses.replace(tiny_config, clients=5, newcomers=0)
    rounds = RoundSettings(rounds=3, sample=0.5, stragglers=0.4, local_steps=2)
    result = play(scenario, config, tmp_path / "out", PhaseBars(), full_oracles=0, rounds=rounds)
    clock = result.on_clock
    # Of four two are asked, one of whom is too late.
    assert (clock["SIFT-Masks"].trainings, clock["FedAvg"].trainings) == (1, 3)
    assert clock["SIFT-Masks"].spent.up == result.steps[1].bytes_up
    assert clock["FedAvg"].spent.up == 3 * 4 * result.tuned_parameters
    assert clock["SIFT-Masks"].spent.seconds == pytest.approx(3 + result.steps[1].bytes_up / 1e6)
    assert "FedAvg" not in result.costs
