"""Nobody is left, nobody ever came, or one member alone is rebuilt."""

import dataclasses
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.server_state import ServerState
from fedsift.federation.run_state import open_state
from fedsift.runs.federate import federate, places
from fedsift.runs.run import run
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.in_flight import Pool
from fedsift.runtime.local_pool import local_session
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import done, failed, invoke, result_of
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
    return dataclasses.replace(tiny_config, dataset=str(table), test_share=0)  # A row each, and held in.


def nobody(config: RunConfig) -> str:
    """The state digest of a federation that nobody joined."""
    state = open_state(config, None, capacity=1)
    digest = state.digest().hex()
    state.ledger.close()
    return digest


def merged(config: RunConfig, out: Path) -> Path:
    """A run's folder."""
    write_toml(config, out.with_suffix(".toml"))
    done("run", out.with_suffix(".toml"), "--out", out)
    return out


def test_no_workers_are_started_for_nobody(config: RunConfig) -> None:
    with ray_session(0, config) as pool:
        assert len(pool) == 0
        outcome = federate(pool, config, {})
    assert outcome.state_digest == nobody(config)
    assert (outcome.member_digests, outcome.environments) == ({}, [])


@pytest.mark.parametrize("partial_sums", [False, True])
def test_all_leave_and_one_comes_back(pool: WorkerPool, config: RunConfig, tmp_path: Path, partial_sums: bool) -> None:
    leaving = dataclasses.replace(config, leave=tuple(EVERYONE), oracle=True, partial_sums=partial_sums)
    out = merged(leaving, tmp_path / "out")
    result = result_of(out)
    assert result["state_digest"] == nobody(config)
    assert result["oracle"] == {"state_digest": result["state_digest"], "bit_identical": True}
    assert [removal["verdict"] for removal in result["removals"]] == ["BIT_EXACT"] * 3
    assert list(result["scores_after_removal"]) == ["zero_shot", "merged", "served"]
    for score in result["scores_after_removal"].values():
        assert score["per_client"] == pytest.approx(result["scores"]["zero_shot"]["per_client"], rel=1e-5)
    assert result["members"] and result["members_after_removal"] is None
    assert not result["held_out"]
    done("verify", out, "--oracle")
    done("run", "--resume", out)
    assert result_of(out) == result

    # Whom should it serve?
    other = (out / "config.toml").read_text(encoding="utf-8").replace('localise = "own"', 'localise = "coordinate"')
    (out / "config.toml").write_text(other, encoding="utf-8")
    told = failed("run", "--resume", out)
    assert "all clients have left; `fedsift join" in told and told.count("\n") == 1
    assert result_of(out) == result

    done("join", out, EVERYONE[1])
    alone = federate(pool, config, places(EVERYONE, [EVERYONE[1]])).state_digest
    assert result_of(out)["state_digest"] == alone
    done("verify", out, "--oracle")


def test_the_only_member_is_rebuilt_away(
    pool: WorkerPool, config: RunConfig, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any worker: the session for nobody is the real one."""

    def session(clients: int, config: RunConfig) -> AbstractContextManager[Pool]:
        return nullcontext(pool) if clients else local_session(clients, config)

    monkeypatch.setattr("fedsift.runs.federate.local_session", session)
    monkeypatch.delattr("fedsift.runtime.local_pool._Process")
    out = merged(dataclasses.replace(config, clients=1), tmp_path / "out")
    table.write_text(table.read_text(encoding="utf-8").replace("000", "999"), encoding="utf-8")
    code, printed, told = invoke("forget", out, EVERYONE[0], "--rebuild", "--json")
    assert code == 0, told
    assert "rebuild: 0 members train again, 0 steps instead of 3" in told.replace("\n", " ")
    refused, rebuilt = json.loads(printed)["removals"]
    assert (refused["verdict"], rebuilt["verdict"]) == ("REFUSED", "REBUILT")
    assert rebuilt["state_digest_after"] == result_of(out)["state_digest"] == nobody(config)
    assert result_of(out)["scores"] == {}
    done("verify", out, "--oracle")
    done("verify", out, "--certificate", out / "certificates" / "0002.json")


def test_the_only_member_whose_data_are_gone(config: RunConfig, table: Path, tmp_path: Path) -> None:
    out = merged(dataclasses.replace(config, leave=tuple(EVERYONE[:2])), tmp_path / "out")
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(rows[:2]), encoding="utf-8")
    failed("forget", out, EVERYONE[2], code=3)
    assert RunFolder(out).members() == {EVERYONE[2]}
    done("forget", out, EVERYONE[2], "--rebuild")
    assert result_of(out)["state_digest"] == nobody(config)


def test_where_nobody_can_be_merged_it_is_said_and_may_be_tried_again(config: RunConfig, tmp_path: Path) -> None:
    """The rate makes every loss infinite."""
    failing = dataclasses.replace(config, lr=1e37, steps=20, leave=(EVERYONE[0],), oracle=True)
    write_toml(failing, tmp_path / "config.toml")
    out = tmp_path / "out"
    assert "no client could be merged; client 'client " in failed("run", tmp_path / "config.toml", "--out", out)
    assert not out.exists()

    stopped(lambda: run(failing, out, PhaseBars()), ServerState, "fold", 2)
    for _ in range(2):
        assert "no client could be merged; client 'client " in failed("run", "--resume", out)
        assert sorted(file.name for file in out.iterdir()) == ["config.toml", "ledger.sqlite", "masks"]
