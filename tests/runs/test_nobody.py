"""Nobody is left, nobody ever came, or one member alone is rebuilt."""

import dataclasses
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.server_state import ServerState
from fedsift.federation.run_state import open_state
from fedsift.runs.federate import federate, places
from fedsift.runs.run import run
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import invoke, result_of
from tests.runs.stopping import stopped

EVERYONE = [f"client {number}" for number in range(3)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    rows = [{"who": each, "question": "q?", "answer": each[-1] * 3} for each in EVERYONE]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def config(tiny_config: RunConfig, table: Path) -> RunConfig:
    return dataclasses.replace(tiny_config, dataset=str(table))


def nobody(config: RunConfig) -> str:
    """The state digest of a federation that nobody joined."""
    state = open_state(config, None, capacity=1)
    digest = state.digest().hex()
    state.ledger.close()
    return digest


def merged(config: RunConfig, out: Path) -> Path:
    """A run's folder."""
    write_toml(config, out.with_suffix(".toml"))
    code, _, told = invoke("run", str(out.with_suffix(".toml")), "--out", str(out))
    assert code == 0, told
    return out


def test_no_workers_are_started_for_nobody(config: RunConfig) -> None:
    with ray_session(0, config) as pool:
        assert len(pool) == 0
        outcome = federate(pool, config, {})
    assert outcome.state_digest == nobody(config)
    assert (outcome.member_digests, outcome.environments) == ({}, [])


@pytest.mark.parametrize("partial_sums", [False, True])
def test_all_leave_and_one_comes_back(
    shared_workers: None, pool: WorkerPool, config: RunConfig, tmp_path: Path, partial_sums: bool
) -> None:
    leaving = dataclasses.replace(config, leave=tuple(EVERYONE), oracle=True, partial_sums=partial_sums)
    out = merged(leaving, tmp_path / "out")
    result = result_of(out)
    assert result["state_digest"] == nobody(config)
    assert result["oracle"] == {"state_digest": result["state_digest"], "bit_identical": True}
    assert [removal["verdict"] for removal in result["removals"]] == ["BIT_EXACT"] * 3
    assert list(result["scores_after_removal"]) == ["merged"]
    assert result["scores_after_removal"]["merged"]["per_client"] == result["scores"]["zero_shot"]["per_client"]
    assert invoke("verify", str(out), "--oracle")[0] == 0
    assert invoke("run", "--resume", str(out))[0] == 0
    assert result_of(out) == result

    # Whom should it serve?
    other = (out / "config.toml").read_text(encoding="utf-8").replace('localise = "own"', 'localise = "coordinate"')
    (out / "config.toml").write_text(other, encoding="utf-8")
    code, _, told = invoke("run", "--resume", str(out))
    assert (code, told.count("\n")) == (2, 1)
    assert "all clients have left; `fedsift join" in told
    assert result_of(out) == result

    assert invoke("join", str(out), EVERYONE[1])[0] == 0
    alone = federate(pool, config, places(EVERYONE, [EVERYONE[1]])).state_digest
    assert result_of(out)["state_digest"] == alone
    assert invoke("verify", str(out), "--oracle")[0] == 0


def test_the_only_member_is_rebuilt_away(
    pool: WorkerPool, config: RunConfig, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any worker: the session for nobody is the real one."""

    def session(clients: int, config: RunConfig) -> AbstractContextManager[WorkerPool]:
        return nullcontext(pool) if clients else ray_session(clients, config)

    monkeypatch.setattr("fedsift.runs.federate.ray_session", session)
    monkeypatch.delattr("fedsift.runtime.ray_session._on_this_machine")
    out = merged(dataclasses.replace(config, clients=1), tmp_path / "out")
    table.write_text(table.read_text(encoding="utf-8").replace("000", "999"), encoding="utf-8")
    code, printed, told = invoke("forget", str(out), EVERYONE[0], "--rebuild", "--json")
    assert code == 0, told
    assert "rebuild: 0 members train again, 0 steps instead of 3" in told.replace("\n", " ")
    refused, rebuilt = json.loads(printed)["removals"]
    assert (refused["verdict"], rebuilt["verdict"]) == ("REFUSED", "REBUILT")
    assert rebuilt["state_digest_after"] == result_of(out)["state_digest"] == nobody(config)
    assert result_of(out)["scores"] == {}
    for command in (["verify", str(out), "--oracle"], ["verify", str(out), "--certificate"]):
        certificate = [str(out / "certificates" / "0002.json")] if "--certificate" in command else []
        assert invoke(*command, *certificate)[0] == 0


def test_the_only_member_whose_data_are_gone(
    shared_workers: None, config: RunConfig, table: Path, tmp_path: Path
) -> None:
    only_last = dataclasses.replace(config, leave=tuple(EVERYONE[:2]))
    out = merged(only_last, tmp_path / "out")
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(rows[:2]), encoding="utf-8")
    code, _, told = invoke("forget", str(out), EVERYONE[2])
    assert code == 3
    assert RunFolder(out).members() == {EVERYONE[2]}
    code, _, told = invoke("forget", str(out), EVERYONE[2], "--rebuild")
    assert code == 0, told
    assert result_of(out)["state_digest"] == nobody(config)


def test_where_nobody_can_be_merged_it_is_said_and_may_be_tried_again(
    shared_workers: None, config: RunConfig, tmp_path: Path
) -> None:
    """The rate makes every loss infinite."""
    failing = dataclasses.replace(config, lr=1e37, steps=20, leave=(EVERYONE[0],), oracle=True)
    write_toml(failing, tmp_path / "config.toml")
    out = tmp_path / "out"
    code, _, told = invoke("run", str(tmp_path / "config.toml"), "--out", str(out))
    assert code == 2
    assert "no client could be merged; client 'client " in told
    assert not out.exists()

    stopped(lambda: run(failing, out, PhaseBars(Console(quiet=True))), ServerState, "fold", 2)
    for _ in range(2):
        code, _, told = invoke("run", "--resume", str(out))
        assert code == 2
        assert "no client could be merged; client 'client " in told
        assert sorted(file.name for file in out.iterdir()) == ["config.toml", "ledger.sqlite", "masks"]
