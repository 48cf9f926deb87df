"""A run that is stopped at any moment, and goes on: every number is that of one that was not stopped."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.federation.round_log import LoggedRounds, RoundLog
from fedsift.protocol import serving_rounds
from fedsift.runs import ledger_folder, run as simulation
from fedsift.runs.forget import forget
from fedsift.runs.join import join
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from tests.cli.commands import failed, result_of
from tests.runs.stopping import stopped
from tests.runtime.drifting import DATASET, LEAVERS, MODULE, drift_in_the_second_round, left_behind, numbers, write_code


@pytest.fixture(scope="module")
def drifted(own_code: Path) -> Path:
    return write_code(own_code)


@pytest.fixture(scope="module")
def config(tiny_config: RunConfig, drifted: Path) -> RunConfig:
    return RunConfig(dataset=DATASET, model=tiny_config.model, steps=3, workers=2, leave=LEAVERS, oracle=True)


@pytest.fixture(autouse=True)
def _drifting(drifted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(drifted.parent)
    monkeypatch.syspath_prepend(drifted.parent)
    monkeypatch.delitem(__import__("sys").modules, MODULE, raising=False)
    drifted.unlink(missing_ok=True)
    drift_in_the_second_round(monkeypatch, drifted)


@pytest.fixture(scope="module")
def undisturbed(
    config: RunConfig, drifted: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(drifted.parent)
        patch.syspath_prepend(drifted.parent)
        drift_in_the_second_round(patch, drifted)
        result = numbers(simulation.run(config, out, PhaseBars()))
    assert result["clients"] == 7
    assert [removal["verdict"] for removal in result["removals"]] == ["BIT_EXACT", "BIT_EXACT", "REFUSED", "REFUSED"]
    assert set(result["failures"]) == {"client 1", "client 3", "client 5"}
    assert result["failures"]["client 5"].startswith("forget: ")
    assert result["removals"][0]["score_before"] != result["removals"][0]["score_after"]
    assert not result["oracle"]["bit_identical"]  # Who was refused is a member, and trains to something else.
    return result, left_behind(out)


TOLD_OF_FORGOTTEN = {"receipt", "verdict", "steps_retrained", "state_digest_after"}


def told_of(removal: dict[str, Any]) -> set[str]:
    """What result.json says of a removal."""
    return {key for key, value in removal.items() if value is not None}


SECOND_EVALUATION = 2 * 7 + 4  # Each of 7 members is served in two ways before; then, of 5.
FURTHER_MOMENTS: list[list[tuple[Any, str, int]]] = [
    *([(ServerState, name, call)] for name, call in (("create", 1), ("merge", 1), ("fold", 2), ("fold", 3))),
    *([(ServerState, name, call)] for name in ("stage_removal", "refuse") for call in (1, 2)),
    *([(ServerState, "serve_slices", call)] for call in (5, SECOND_EVALUATION)),
    *([(RoundLog, "write", call)] for call in (2, 4, 5)),
    *([(LoggedRounds, name, 2)] for name in ("configure_train", "tell")),
    *([(RunFolder, name, 1)] for name in ("write_result", "write_certificates")),
    *([(owner, name, 2)] for owner, name in ((ledger_folder, "certify"), (Ledger, "append_receipt"))),
    [(simulation, "federate", 2)],
    [(ServerState, "merge", 7), (ServerState, "merge", 1)],
    [
        (ServerState, "serve_slices", 1),
        (ServerState, "serve_slices", 1),
        (ServerState, "serve_slices", SECOND_EVALUATION),
    ],
]


@pytest.mark.parametrize(
    "moments",
    [
        [(ServerState, "merge", 4)],
        [(RoundLog, "write", 3)],  # The first round is over, and not written down.
        [(ServerState, "commit_removals", 2)],
        [(serving_rounds, "choose", 2)],  # All have voted, and nothing is chosen.
        [
            (ServerState, "merge", 2),
            (ServerState, "serve_slices", 3),
            (ServerState, "refuse", 2),
            (LoggedRounds, "tell", 1),
        ],
        *(pytest.param(moments, marks=pytest.mark.exhaustive) for moments in FURTHER_MOMENTS),
    ],
    ids=lambda moments: " ".join(f"{owner.__name__.split('.')[-1]}.{name}-{call}" for owner, name, call in moments),
)
def test_stopped_at_moments(
    config: RunConfig, undisturbed: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path, moments: list[Any]
) -> None:
    out = tmp_path / "out"
    stopped(lambda: simulation.run(config, out, PhaseBars()), *moments[0])
    for moment in moments[1:]:
        stopped(lambda: simulation.resume(out, PhaseBars()), *moment)
    assert not (out / "result.json").exists()
    assert (numbers(simulation.resume(out, PhaseBars())), left_behind(out)) == undisturbed
    assert (numbers(simulation.resume(out, PhaseBars())), left_behind(out)) == undisturbed
    assert numbers(result_of(out)) == undisturbed[0]


@pytest.mark.parametrize("moment", [(ServerState, "merge_sums", 3), (ServerState, "refuse", 2)])
def test_with_partial_sums(
    config: RunConfig, undisturbed: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path, moment: Any
) -> None:
    out = tmp_path / "out"
    stopped(lambda: simulation.run(dataclasses.replace(config, partial_sums=True), out, PhaseBars()), *moment)
    assert numbers(simulation.resume(out, PhaseBars())) == undisturbed[0]


@pytest.mark.exhaustive
def test_killed_anywhere(tiny_config: RunConfig, tmp_path: Path) -> None:
    """In processes of their own, by SIGKILL."""
    command = [sys.executable, "-m", "tests.runs.kill_runs", tiny_config.model, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def table(tiny_config: RunConfig, tmp_path: Path) -> RunConfig:
    """The tiny run, from which clients 3 and 6 are to leave."""
    return dataclasses.replace(tiny_config, leave=("client 3", "client 6"))


def without(config: RunConfig, client_id: str, folder: Path) -> RunConfig:
    """The same run on data without a client."""
    file = folder / "without.jsonl"
    rows = Path(config.dataset).read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(row for row in rows if f'"{client_id}"' not in row), encoding="utf-8")
    return dataclasses.replace(config, dataset=str(file))


@pytest.mark.parametrize(
    "moment",
    [(ServerState, "merge", 8), (ServerState, "serve_slices", 5), (RoundLog, "write", 4)],
    ids=lambda each: each[1],
)
def test_forgotten_while_a_run_is_stopped(table: RunConfig, tmp_path: Path, moment: Any) -> None:
    """After that all is as in a run on data without the client; only its receipt tells of it."""
    out = tmp_path / "out"
    stopped(lambda: simulation.run(table, out, PhaseBars()), *moment)
    forget(out, ["client 0"], False, PhaseBars(), str)
    for file in out.rglob("*"):
        allowed = 1 if file.name in ("ledger.sqlite", "0001.json") else 0
        assert file.is_dir() or file.read_bytes().count(b"client 0") <= allowed, file
    result = numbers(simulation.resume(out, PhaseBars()))
    assert b"client 0" not in (out / "result.json").read_bytes()

    expected = numbers(simulation.run(without(table, "client 0", tmp_path), tmp_path / "never", PhaseBars()))
    forgotten, *removals = result.pop("removals")
    assert told_of(forgotten) == TOLD_OF_FORGOTTEN
    assert (forgotten["receipt"], forgotten["verdict"]) == (1, "BIT_EXACT")
    assert removals == [{**each, "receipt": each["receipt"] + 1} for each in expected.pop("removals")]
    assert result == expected
    assert numbers(simulation.resume(out, PhaseBars())) == {**result, "removals": [forgotten, *removals]}


def test_forgotten_after_those_who_leave_in_the_run(table: RunConfig, tmp_path: Path) -> None:
    """Then the run begins anew with those who remain."""
    out = tmp_path / "out"
    stopped(lambda: simulation.run(table, out, PhaseBars()), LoggedRounds, "tell", 2)
    forget(out, ["client 0"], False, PhaseBars(), str)
    result = numbers(simulation.resume(out, PhaseBars()))
    assert result["clients"] == 5
    assert [told_of(each) for each in result["removals"]] == [TOLD_OF_FORGOTTEN] * 3
    for scores in (result["scores"], result["scores_after_removal"]):
        assert set(scores["merged"]["per_client"]) == {f"client {number}" for number in (1, 2, 4, 5, 7)}
    assert result["scores"] == result["scores_after_removal"]


def test_joined_while_a_run_is_stopped(table: RunConfig, tmp_path: Path) -> None:
    undisturbed = numbers(simulation.run(table, tmp_path / "undisturbed", PhaseBars()))
    out = tmp_path / "out"
    stopped(lambda: simulation.run(table, out, PhaseBars()), ServerState, "merge", 3)
    waiting = next(each for each in ("client 3", "client 6") if each not in RunFolder(out).members())
    assert join(out, [waiting], PhaseBars()).joined == [waiting]
    resumed = numbers(simulation.resume(out, PhaseBars()))
    for result in (undisturbed, resumed):
        for scores in (result["scores"], result["scores_after_removal"]):
            for name in ("zero_shot", "local"):  # `join` has its client train, and score nothing.
                scores.pop(name)
        for members in (result["members"], result["members_after_removal"]):
            for name in ("alone", "alone_by", "better_than_alone", "worse_than_alone"):
                members.pop(name)
            members["held_in"].pop("local")
        for name in ("served_below_local", "text", "text_after_removal"):
            result.pop(name)
    assert resumed == undisturbed


def test_a_finished_run_votes_again_after_a_removal_and_then_is_told_as_it_stands(
    table: RunConfig, tmp_path: Path
) -> None:
    """What `forget` took out of it stays out; no mean gives it away."""
    config, out = dataclasses.replace(table, oracle=True), tmp_path / "out"
    before = simulation.run(config, out, PhaseBars())
    forget(out, ["client 0"], False, PhaseBars(), str)
    after = result_of(out)
    assert after["oracle"] is None
    for name, score in after["scores"].items():
        assert set(score["per_client"]) == set(before.scores[name].per_client) - {"client 0"}
        assert score["mean"] == pytest.approx(sum(score["per_client"].values()) / 7)
    assert after["members"]["blend"] == {}  # It was also the choice of who left.
    told = dataclasses.asdict(simulation.resume(out, PhaseBars()))
    assert told["oracle"] == {"state_digest": after["state_digest"], "bit_identical": True}  # Of those who remain.
    assert told["members"]["blend"]
    assert "client 0" not in (out / "result.json").read_text(encoding="utf-8")
    assert dataclasses.asdict(simulation.resume(out, PhaseBars())) == told == result_of(out)


def test_a_removal_that_was_killed_is_finished_by_the_next_command(table: RunConfig, tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulation.run(table, out, PhaseBars())
    stopped(lambda: forget(out, ["client 0"], False, PhaseBars(), str), RunFolder, "bring_up_to_date", 2)
    assert b"client 0" in (out / "result.json").read_bytes()
    assert "client 'client 0' has left already, by receipt 3" in failed("forget", out, "client 0", code=3)
    assert b"client 0" not in (out / "result.json").read_bytes()
    assert len([*(out / "certificates").iterdir()]) == 3
    assert result_of(out)["removals"][2]["verdict"] == "BIT_EXACT"


def test_another_localisation_serves_the_same_members_again(table: RunConfig, tmp_path: Path) -> None:
    config, out = dataclasses.replace(table, leave=()), tmp_path / "out"
    simulation.run(config, out, PhaseBars())
    other = dataclasses.replace(config, localise="coordinate")
    write_toml(other, out / "config.toml")
    stopped(lambda: simulation.resume(out, PhaseBars()), ServerState, "serve_slices", 3)
    result = numbers(simulation.resume(out, PhaseBars()))
    assert result == numbers(simulation.resume(out, PhaseBars()))
    assert result == numbers(simulation.run(other, tmp_path / "other", PhaseBars()))


def test_the_folder_of_a_scenario_is_left_to_it(tiny_config: RunConfig, tmp_path: Path) -> None:
    RunFolder.create(tmp_path, tiny_config)
    (tmp_path / "scenario.toml").touch()
    for command in (["forget", tmp_path, "client 0"], ["join", tmp_path, "x"], ["run", "--resume", tmp_path]):
        assert "holds a scenario" in failed(*command)


def test_what_is_left_of_a_run_that_never_began(tiny_config: RunConfig, tmp_path: Path) -> None:
    """Killed while it wrote its configuration, or right after."""
    (tmp_path / ".config.toml.partial").write_text("datas", encoding="utf-8")
    with pytest.raises(BadInput, match="is no run folder"):
        simulation.resume(tmp_path, PhaseBars())
    RunFolder.create(tmp_path, tiny_config)
    assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]
    assert simulation.resume(tmp_path, PhaseBars()).clients == 8


def test_no_unfinished_file_is_left(tiny_config: RunConfig, tmp_path: Path) -> None:
    """Such a file may hold scores."""
    out = tmp_path / "out"
    stopped(lambda: simulation.run(tiny_config, out, PhaseBars()), ServerState, "serve_slices", 3)
    (out / ".rounds.json.partial").write_text(json.dumps({"client 0": 1.0}), encoding="utf-8")
    forget(out, ["client 0"], False, PhaseBars(), str)
    assert not [*out.rglob("*.partial")]
    assert not (out / "rounds.json").exists()
