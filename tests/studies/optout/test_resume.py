"""Scenarios that are stopped at any moment end as if they had not been."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.errors import BadInput
from fedsift.core.server_state import ServerState
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.optout import play_scenario as optout
from fedsift.studies.optout.scenario import parse_scenario
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.optout.scenario_rounds import ScenarioRounds
from tests.cli.commands import kill_when
from tests.runs.stopping import stopped

# Each step has something of everything: removals, refusals, a client that comes back, one that is offline.
TOML = """
title = "t"
[[leave]]
clients = ["client 0", "client 1", "client 2", "client 3", "client 4", "client 5"]
pace = "batches"
batch = 3
[[rejoin]]
clients = ["client 0"]
step = 2
[[leave]]
clients = ["client 6"]
from-step = 3
""" + "".join(
    f'[[misbehave]]\nclients = ["client {client}"]\nwhat = "{what}"\n'
    for client, what in ((1, "data-lost"), (2, "tampered-upload"), (4, "data-changed"), (5, "offline"))
)
PLAYER = """
import sys
from pathlib import Path
from fedsift.configuration.run_config import RunConfig, read_toml
from fedsift.studies.optout.play_scenario import play
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.optout.scenario import read_scenario
config, scenario, out = sys.argv[1:]
configured = RunConfig.from_mapping(read_toml(Path(config)))
play(read_scenario(scenario), configured, Path(out), PhaseBars(), full_oracles=2)
"""


def start(config: RunConfig, out: Path) -> ScenarioResult:
    return optout.play(parse_scenario(TOML, "s.toml"), config, out, PhaseBars(), full_oracles=2)


def without_seconds(played: ScenarioResult) -> dict[str, Any]:
    result = dataclasses.asdict(played)
    steps = [{key: value for key, value in step.items() if key != "seconds"} for step in result["steps"]]
    return {**{key: value for key, value in result.items() if key != "seconds"}, "steps": steps}


@pytest.fixture(scope="module")
def undisturbed(tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    result = start(tiny_config, tmp_path_factory.mktemp("optout") / "out")
    assert [len(step.refused) for step in result.steps] == [0, 2, 1, 0]
    assert [step.joined for step in result.steps[1:]] == [[], ["client 0"], []]
    assert result.verdict == "refused"
    return without_seconds(result)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        pytest.param(ServerState, "merge", 3, marks=pytest.mark.exhaustive),
        pytest.param(optout, "_look_at_merge", 1, marks=pytest.mark.exhaustive),
        (ServerState, "commit_removals", 2),
        pytest.param(ServerState, "refuse", 2, marks=pytest.mark.exhaustive),
        (ScenarioRounds, "_write_down", 2),
        pytest.param(optout, "chain_digests", 2, marks=pytest.mark.exhaustive),
        pytest.param(optout, "federate", 2, marks=pytest.mark.exhaustive),
        (ScenarioFolder, "write_result", 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_stopped_at_a_moment(
    undisturbed: dict[str, Any], tiny_config: RunConfig, tmp_path: Path, owner: Any, name: str, call: int
) -> None:
    out = tmp_path / "out"
    stopped(lambda: start(tiny_config, out), owner, name, call)
    assert not (out / "result.json").exists()
    assert without_seconds(optout.resume(out, PhaseBars())) == undisturbed
    assert not (out / "steps.json").exists()
    assert len([*(out / "certificates").iterdir()]) == len(undisturbed["removals"])
    assert len([*(out / "masks").iterdir()]) == undisturbed["steps"][-1]["members"]


@pytest.mark.exhaustive
def test_killed_in_the_middle(undisturbed: dict[str, Any], tiny_config: RunConfig, tmp_path: Path) -> None:
    """A process of its own, by SIGKILL; then what is over is told again without another step."""
    config, scenario, out = tmp_path / "config.toml", tmp_path / "scenario.toml", tmp_path / "out"
    write_toml(tiny_config, config)
    scenario.write_text(TOML, encoding="utf-8")
    command = [sys.executable, "-c", PLAYER, str(config), str(scenario), str(out)]
    kill_when(lambda: len(_steps(out)) >= 2, command, seconds=120, folder=Path(__file__).parents[3])
    assert not (out / "result.json").exists()
    assert without_seconds(optout.resume(out, PhaseBars())) == undisturbed
    assert without_seconds(optout.resume(out, PhaseBars())) == undisturbed


def _steps(out: Path) -> list[Any]:
    try:
        steps: list[Any] = json.loads((out / "steps.json").read_text(encoding="utf-8"))["steps"]
    except FileNotFoundError:
        return []
    return steps


def test_only_a_scenario_is_gone_on_with(tiny_config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no run folder"):
        optout.resume(tmp_path, PhaseBars())
    RunFolder.create(tmp_path, dataclasses.replace(tiny_config, clients=3))
    with pytest.raises(BadInput, match="holds no scenario"):
        optout.resume(tmp_path, PhaseBars())
