"""What goes wrong in a run: clients that fail, and a process that is killed."""

import dataclasses
from pathlib import Path

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.runs.federate import federate
from fedsift.runs.result import RunResult
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import COMMAND, done, failed, kill_when, result_of
from tests.runtime.drifting import numbers

EVERYONE = {f"client {index}": index for index in range(8)}


def test_a_client_that_cannot_train_is_listed_and_others_go_on(pool: WorkerPool, one_cannot_train: RunConfig) -> None:
    outcome = federate(pool, one_cannot_train, EVERYONE)
    assert len(outcome.member_digests) == 7
    failures = RunResult.of(one_cannot_train, "answer probability", outcome, None, {}).failures
    assert list(failures) == ["client 5"]
    assert failures["client 5"].startswith(
        "train: client 'client 5', row 25 of the table: target: unknown choice 'no choice'"
    )


def test_a_loss_that_is_no_number_is_told_with_client_and_stage(tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, lr=1e37, steps=20, clients=2)
    write_toml(config, tmp_path / "config.toml")
    out = tmp_path / "out"
    told = failed("run", tmp_path / "config.toml", "--out", out)
    assert "no client could be merged; client 'client " in told
    assert ": train: the loss is nan at step " in told
    assert not out.exists()


def test_a_killed_run_is_resumed(tiny_config: RunConfig, tmp_path: Path, pool: WorkerPool) -> None:
    config = dataclasses.replace(tiny_config, steps=100, leave=("client 2", "client 6"), workers=1)
    write_toml(config, tmp_path / "config.toml")
    out = tmp_path / "out"
    command = [*COMMAND, "run", str(tmp_path / "config.toml"), "--out", str(out)]
    kill_when(lambda: len(list((out / "masks").glob("*.mask"))) >= 3, command, seconds=300)
    assert not (out / "result.json").exists()

    done("run", "--resume", out)
    result = result_of(out)
    assert [removal["verdict"] for removal in result["removals"]] == ["BIT_EXACT"] * 2
    stayed = {each: place for each, place in EVERYONE.items() if each not in config.leave}
    alone = dataclasses.replace(config, leave=(), evaluate=False)
    assert result["state_digest"] == federate(pool, alone, stayed).state_digest
    done("run", tmp_path / "config.toml", "--out", tmp_path / "undisturbed")
    assert numbers(result) == numbers(result_of(tmp_path / "undisturbed"))
    assert len(list((out / "masks").iterdir())) == 6

    before = (out / "config.toml").read_text(encoding="utf-8")
    for old, new in (("\nsteps = 100", "\nsteps = 101"), ("commit-share = 0.0", "commit-share = 0.1")):
        assert old in before
        (out / "config.toml").write_text(before.replace(old, new), encoding="utf-8")
        for command in (["run", "--resume", str(out)], ["forget", str(out), "client 0"]):
            assert f"was made with other values: put back {old.strip()}" in failed(*command)
    assert (out / "ledger.sqlite").exists()
