"""Rows of a client that stays are forgotten: the state is that of a run in which it never had them."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.forgotten_rows import ForgottenRows
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import load_mask
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.runs.federate import federate, places
from fedsift.runs.row_requests import RowRequests
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import done, failed, invoke, receipt_of

EVERYONE = [f"client {index}" for index in range(8)]
CLIENT = "client 3"


@pytest.fixture
def config(tiny_config: RunConfig, tmp_path: Path, request: pytest.FixtureRequest) -> RunConfig:
    """Of a run on data that a test may change; its parameter: the share that is kept for scoring."""
    table = shutil.copy(tiny_config.dataset, tmp_path / "rows.jsonl")
    return dataclasses.replace(tiny_config, dataset=str(table), test_share=getattr(request, "param", 0.25))


@pytest.fixture
def out(config: RunConfig, tmp_path: Path) -> Path:
    write_toml(config, tmp_path / "config.toml")
    done("run", tmp_path / "config.toml", "--out", tmp_path / "run", "--json")
    return tmp_path / "run"


def digest_of(out: Path) -> str:
    with Ledger.open(out / "ledger.sqlite", read_only=True) as ledger:
        return ServerState(ledger).digest().hex()


def digest_of_run(pool: WorkerPool, config: RunConfig) -> str:
    """Of a run of everybody, from the beginning."""
    return federate(pool, dataclasses.replace(config, evaluate=False), places(EVERYONE, EVERYONE)).state_digest


@pytest.mark.parametrize("config", [0.0], indirect=True, ids=["held-in"])
def test_the_state_is_that_of_data_without_the_row(config: RunConfig, out: Path, pool: WorkerPool) -> None:
    told = json.loads(done("forget", out, CLIENT, "--rows", "2", "--json"))
    assert [removal["verdict"] for removal in told["removals"]] == ["ROWS_BIT_EXACT"]
    lines = Path(config.dataset).read_text(encoding="utf-8").splitlines(keepends=True)
    mine = [line for line in lines if f'"{CLIENT}"' in line]
    shorter = Path(config.dataset).with_name("shorter.jsonl")
    shorter.write_text("".join(line for line in lines if line != mine[1]), encoding="utf-8")
    expected = digest_of_run(pool, dataclasses.replace(config, dataset=str(shorter)))
    assert told["state_digest"] == digest_of(out) == expected
    receipt = receipt_of(out / "certificates" / "0001.json")
    assert (receipt["client"], receipt["rows_forgotten"], receipt["members_after"]) == (CLIENT, 1, 8)
    done("verify", out, "--oracle", "--certificate", out / "certificates" / "0001.json")


def test_what_is_kept_for_scoring_stays_so(config: RunConfig, out: Path, pool: WorkerPool, tmp_path: Path) -> None:
    before = load_dataset(config)
    first, second = before.train_examples(CLIENT)
    with Ledger.open(out / "ledger.sqlite", read_only=True) as ledger:
        member, terms = ledger.members()[CLIENT], ledger.terms
    secrets = [member.digest, member.mask_digest, member.data_digest, load_mask(out / "masks", CLIENT, terms).packed]
    row = next(
        line for line in Path(config.dataset).read_text().splitlines() if first.prompt[3:6] in line and CLIENT in line
    )
    table = tmp_path / "forget.jsonl"
    table.write_text(row + "\n", encoding="utf-8")
    done("forget", out, CLIENT, "--rows", table)
    left_out = dataclasses.replace(config, forgotten_rows=str(out / "forgotten-rows.json"))
    assert digest_of(out) == digest_of_run(pool, left_out) != digest_of_run(pool, config)
    after = load_dataset(left_out)
    assert after.train_examples(CLIENT) == [second]
    assert after.test_examples(CLIENT) == before.test_examples(CLIENT)
    for file in out.rglob("*"):
        assert not file.is_file() or not [secret for secret in secrets if secret in file.read_bytes()], file
    # It is served under the mask that it has now, and its scores are of now.
    told = json.loads(done("run", "--resume", out, "--json"))
    assert told["state_digest"] == digest_of(out)
    assert CLIENT in told["scores"]["served"]["per_client"]
    # It may leave as any other; then nothing tells of it.
    done("forget", out, CLIENT)
    assert not (out / "forgotten-rows.json").exists()
    assert not (out / "asked-rows.json").exists()


def test_a_row_that_is_only_scored_on(config: RunConfig, out: Path, tmp_path: Path) -> None:
    """Its client's training has no part in it: the state stays, and the scores of before go."""
    was, (row,) = digest_of(out), load_dataset(config).test_examples(CLIENT)
    lines = Path(config.dataset).read_text(encoding="utf-8").splitlines()
    table = tmp_path / "forget.jsonl"
    table.write_text(
        next(line for line in lines if CLIENT in line and row.prompt[3:6] in line) + "\n", encoding="utf-8"
    )
    told = json.loads(done("forget", out, CLIENT, "--rows", table, "--json"))
    assert [removal["verdict"] for removal in told["removals"]] == ["ROWS_BIT_EXACT"]
    assert told["state_digest"] == was
    assert receipt_of(out / "certificates" / "0001.json")["rows_forgotten"] == 0
    scores = json.loads((out / "result.json").read_text(encoding="utf-8"))["scores"]
    assert all(CLIENT not in score["per_client"] for score in scores.values())


@pytest.mark.parametrize("done_by_then", [False, True], ids=["before", "after"])
def test_a_stop_around_the_commit(
    out: Path, pool: WorkerPool, config: RunConfig, done_by_then: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a process that was stopped has left, the next command goes on from what the ledger has."""
    was = digest_of(out)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt if not done_by_then else OSError("stopped")

    with monkeypatch.context() as stopped:
        if done_by_then:
            settle = RowRequests.settle
            stopped.setattr(
                RowRequests, "settle", lambda *given: (stop if given[0]._asked.exists() else settle)(*given)
            )
        else:
            stopped.setattr(ServerState, "_forget_vote", stop)
        invoke("forget", out, CLIENT, "--rows", "1")
    assert (digest_of(out) != was) == done_by_then
    done("verify", out, "--oracle")  # Nothing is settled yet, and nothing is changed.
    assert ForgottenRows.read(out / "asked-rows.json").asked
    done("forget", out, "client 5")
    if done_by_then:
        assert ForgottenRows.read(out / "forgotten-rows.json").rows[CLIENT]
    else:
        assert not (out / "asked-rows.json").exists()
    done("verify", out, "--oracle")
    json.loads(done("run", "--resume", out, "--json"))


def test_a_changed_row_is_refused_and_nothing_is_changed(config: RunConfig, out: Path) -> None:
    was = digest_of(out)
    table = Path(config.dataset)
    table.write_text(table.read_text(encoding="utf-8").replace("ddd", "dde"), encoding="utf-8")
    code, printed, _ = invoke("forget", out, CLIENT, "--rows", "1")
    assert code == 3
    assert "REFUSED" in printed
    assert digest_of(out) == was
    assert not (out / "asked-rows.json").exists()
    assert not (out / "forgotten-rows.json").exists()


def test_mistakes(out: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"who": "client 3", "question": "q9?", "answer": "never"}\n', encoding="utf-8")
    for rows, message in {
        "3": "client 'client 3' tunes on rows 1 to 2; there is no 3",
        "1-2": "these are all rows that client 'client 3' tunes on: let it leave, without --rows",
        "nowhere.csv": "rows nowhere.csv: there is no such file; give a table, or numbers as 1,4-6",
        str(other): "is none of client 'client 3'",
    }.items():
        assert message in failed("forget", out, CLIENT, "--rows", rows)
    assert "--rows goes with one client" in failed("forget", out, CLIENT, "client 4", "--rows", "1")
    assert "unknown member 'client 33'" in failed("forget", out, "client 33", "--rows", "1", code=3)
    assert not (out / "asked-rows.json").exists()
