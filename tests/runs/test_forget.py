"""Removal from a finished run: the commands, on a real run folder."""

import dataclasses
import hashlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import load_mask, mask_path
from fedsift.core.server_state import ServerState
from fedsift.runs.federate import federate, places
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import done, failed, invoke, receipt_of

EVERYONE = [f"client {index}" for index in range(8)]


@pytest.fixture
def own_table(tiny_config: RunConfig, tmp_path: Path, request: pytest.FixtureRequest) -> RunConfig:
    """A configuration whose data a test may change; its parameter: commit steps."""
    table = shutil.copy(tiny_config.dataset, tmp_path / "rows.jsonl")
    share = getattr(request, "param", 0) / tiny_config.steps
    return dataclasses.replace(tiny_config, dataset=str(table), commit_share=share)


@pytest.fixture
def run_folder(own_table: RunConfig, tmp_path: Path) -> tuple[Path, RunConfig]:
    """A run of 8 clients, made and worked on by the tests' own workers."""
    write_toml(own_table, tmp_path / "config.toml")
    out = tmp_path / "run"
    done("run", tmp_path / "config.toml", "--out", out, "--json")
    return out, own_table


def state_of(out: Path) -> tuple[str, list[str]]:
    ledger = Ledger.open(out / "ledger.sqlite")
    state = ServerState(ledger)
    found = state.digest().hex(), sorted(state.members)
    ledger.close()
    return found


def never_joined(pool: WorkerPool, config: RunConfig, *left: str) -> str:
    stayed = [each for each in EVERYONE if each not in left]
    return federate(pool, dataclasses.replace(config, evaluate=False), places(EVERYONE, stayed)).state_digest


@pytest.mark.parametrize("own_table", [0, 2], indirect=True, ids="{} commit steps".format)
def test_one_and_a_batch(run_folder: tuple[Path, RunConfig], pool: WorkerPool) -> None:
    out, config = run_folder
    leaver = "client 2"
    ledger = Ledger.open(out / "ledger.sqlite")
    member, terms = ledger.members()[leaver], ledger.terms
    ledger.close()
    secrets = [member.digest, member.digest.hex().encode(), member.mask_digest, member.data_digest]
    secrets += [member.checksums, load_mask(out / "masks", leaver, terms).packed[:64]]
    told = json.loads(done("forget", out, leaver, "--json"))
    assert [removal["verdict"] for removal in told["removals"]] == ["BIT_EXACT"]
    assert told["state_digest"] == never_joined(pool, config, leaver) == state_of(out)[0]
    for file in out.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [secret for secret in secrets if secret in data], file
            allowed = 1 if file.name == "ledger.sqlite" else 0
            assert data.count(leaver.encode()) <= allowed, file
    assert not mask_path(out / "masks", leaver).exists()

    done("forget", out, "client 0", "client 5")
    stayed = [f"client {i}" for i in (1, 3, 4, 6, 7)]
    assert state_of(out) == (never_joined(pool, config, leaver, "client 0", "client 5"), stayed)
    after = {receipt_of(file)["state_after"] for file in (out / "certificates").iterdir()}
    assert len(after) == 2  # One state for each command, the batch's published once.

    again = failed("forget", out, leaver, code=3)
    assert "client 'client 2' has left already, by receipt 1 (nothing was changed)" in again
    assert "did you mean" not in again
    assert "unknown member 'client 22'; did you mean" in failed("forget", out, "client 22", code=3)
    done("verify", out, "--oracle", "--certificate", out / "certificates" / "0001.json")


def test_a_removed_client_may_join_again(run_folder: tuple[Path, RunConfig]) -> None:
    out, _ = run_folder
    everyone = state_of(out)
    done("forget", out, "client 3")
    without = state_of(out)
    done("run", "--resume", out)  # Who left stays away, unless it asks to come back.
    assert state_of(out) == without
    assert "joined   client 3" in done("join", out, "client 3")
    assert state_of(out) == everyone
    assert mask_path(out / "masks", "client 3").exists()
    failed("join", out, "client 3", code=3)
    failed("join", out, "nobody")
    assert state_of(out) == everyone
    done("verify", out)


def test_a_damaged_result_is_told_before_anything_is_changed(run_folder: tuple[Path, RunConfig]) -> None:
    out, _ = run_folder
    result = out / "result.json"
    whole = result.read_text(encoding="utf-8")
    other = json.dumps({**json.loads(whole), "removals": [{"receipt": "1"}]})
    stray = out / "masks" / "nobody.mask"
    stray.touch()
    before = state_of(out)
    for content in ("", whole[:-3], "[]", '{"scores": {}}', other):
        result.write_text(content, encoding="utf-8")
        for command in (["forget", out, "client 3"], ["run", "--resume", out]):
            told = failed(*command)
            assert f"{result} is damaged" in told
            assert f"delete it; forget and join do without it, and `fedsift run --resume {out}` makes it anew" in told
            assert told.count("\n") == 1
            assert (state_of(out), stray.exists()) == (before, True)
    result.unlink()
    done("forget", out, "client 3")
    result.write_text("", encoding="utf-8")
    before = state_of(out)
    failed("join", out, "client 3")
    assert state_of(out) == before
    result.unlink()
    done("run", "--resume", out)
    assert json.loads(result.read_text(encoding="utf-8"))["clients"] == 7
    assert len(state_of(out)[1]) == 7


def test_a_client_without_its_data_is_refused_then_rebuilt(
    run_folder: tuple[Path, RunConfig], pool: WorkerPool
) -> None:
    out, config = run_folder
    before = state_of(out)
    expected = never_joined(pool, config, "client 3")
    table = Path(config.dataset)
    rows = [line for line in table.read_text(encoding="utf-8").splitlines() if "client 3" not in line]
    table.write_text("\n".join(rows), encoding="utf-8")
    code, printed, _ = invoke("forget", out, "client 3")
    assert (code, "client 3  REFUSED  its data are gone" in printed) == (3, True), printed
    assert state_of(out) == before
    done("forget", out, "client 3", "--rebuild")
    assert state_of(out)[0] == expected


def test_changed_data_is_refused_then_rebuilt(run_folder: tuple[Path, RunConfig], pool: WorkerPool) -> None:
    out, config = run_folder
    before = state_of(out)
    table = Path(config.dataset)
    table.write_text(table.read_text(encoding="utf-8").replace("bbb1", "bbb9"), encoding="utf-8")

    code, printed, _ = invoke("forget", out, "client 1", "client 4")
    assert code == 3
    assert "client 1  REFUSED  the rerun of client 'client 1' differs from what was merged: other data" in printed
    assert "client 4  BIT_EXACT" in printed
    after = state_of(out)
    assert after[1] == [each for each in before[1] if each != "client 4"]
    assert mask_path(out / "masks", "client 1").exists()
    receipts = {number: receipt_of(out / "certificates" / f"000{number}.json") for number in (1, 2)}
    assert [receipts[number]["verdict"] for number in (1, 2)] == ["BIT_EXACT", "REFUSED"]

    code, printed, told = invoke("forget", out, "client 1", "--rebuild")
    assert "rebuild: 6 members train again, 18 steps instead of 3" in told.replace("\n", " ")
    assert "client 1  REBUILT  18 steps retrained" in printed
    assert code == 0
    rebuilt = receipt_of(out / "certificates" / "0004.json")
    assert (rebuilt["members_retrained"], rebuilt["members_matching"]) == (6, 6)
    stayed = [f"client {i}" for i in (0, 2, 3, 5, 6, 7)]
    assert state_of(out) == (never_joined(pool, config, "client 1", "client 4"), stayed)
    assert len(list(out.glob("masks*"))) == 1
    assert not list(out.glob("*.partial*"))
    done("verify", out, "--oracle", "--certificate", out / "certificates" / "0004.json")


def change_in_place(table: Path, changed: bytes) -> None:
    """Same file, same size, same times."""
    before = table.stat()
    with table.open("r+b") as file:
        file.write(changed)
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_another_in_its_place(table: Path, changed: bytes) -> None:
    before = table.stat()
    other = table.with_name("other")
    other.write_bytes(changed)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(table)


def point_a_link_elsewhere(table: Path, changed: bytes) -> None:
    other = table.with_name("elsewhere.jsonl")
    other.write_bytes(changed)
    table.unlink()
    table.symlink_to(other)


def test_one_byte_of_a_row_is_other_data(run_folder: tuple[Path, RunConfig]) -> None:
    out, config = run_folder
    before, table = state_of(out), Path(config.dataset)
    content = table.read_bytes()
    rows = content.splitlines(keepends=True)
    target = content.replace(b"bbb1", b"bbb2")
    prompt = content.replace(b'"q1?", "answer": "bbb', b'"q1!", "answer": "bbb')
    order = b"".join([rows[9], *rows[:9], *rows[10:]])  # the second row of client 1 before its first
    assert len({content, target, prompt, order}) == 4
    for change, changed in (
        (change_in_place, target),
        (change_in_place, prompt),
        (change_in_place, order),
        (put_another_in_its_place, target),
        (point_a_link_elsewhere, target),
    ):
        change(table, changed)
        code, printed, _ = invoke("forget", out, "client 1")
        assert (code, state_of(out)) == (3, before)
        assert "client 1  REFUSED  the rerun of client 'client 1' differs from what was merged: other data" in printed
        change(table, content)
    done("forget", out, "client 1")


def test_another_environment_is_named(run_folder: tuple[Path, RunConfig]) -> None:
    """Members are made to have trained under another torch, one to other bits: what another machine meets."""
    out, _ = run_folder
    path = out / "ledger.sqlite"
    connection = sqlite3.connect(path)
    digest, fingerprint = connection.execute("SELECT digest, fingerprint FROM environments").fetchone()
    other = json.dumps({**json.loads(fingerprint), "torch": "1.0"}, sort_keys=True)
    now = hashlib.sha256(other.encode()).digest()
    connection.execute("UPDATE environments SET digest = ?, fingerprint = ? WHERE digest = ?", (now, other, digest))
    connection.execute("UPDATE members SET environment = ?", (now,))
    connection.execute("UPDATE members SET digest = zeroblob(32) WHERE client_id = 'client 6'")
    connection.commit()
    connection.close()
    before = state_of(out)
    code, printed, _ = invoke("forget", out, "client 6")
    assert code == 3
    assert "same data, another environment (torch is" in printed
    assert "then '1.0')" in printed
    assert state_of(out) == before
    # Where the bits agree, another environment is no obstacle.
    done("forget", out, "client 7")


def test_verify_finds_a_changed_sum(run_folder: tuple[Path, RunConfig]) -> None:
    out, _ = run_folder
    connection = sqlite3.connect(out / "ledger.sqlite")
    with connection:
        data = bytearray(connection.execute("SELECT data FROM chunks WHERE sum = 'level sum'").fetchone()[0])
        data[100] ^= 4
        connection.execute("UPDATE chunks SET data = ? WHERE sum = 'level sum'", (bytes(data),))
    connection.close()
    code, printed, _ = invoke("verify", out)
    assert (code, "checksums    WRONG" in printed) == (3, True), printed
    failed("verify", out, "--oracle")


def test_verify_oracle_finds_data_that_changed(run_folder: tuple[Path, RunConfig]) -> None:
    out, config = run_folder
    table = Path(config.dataset)
    table.write_text(table.read_text(encoding="utf-8").replace("ccc", "cdc"), encoding="utf-8")
    done("verify", out)
    code, printed, _ = invoke("verify", out, "--oracle")
    assert code == 3
    assert "client 'client 2' trains to another contribution now" in printed


def test_one_process_at_a_time(run_folder: tuple[Path, RunConfig]) -> None:
    out, _ = run_folder
    before = state_of(out)
    with RunFolder(out).locked():
        for command in (["forget", out, "client 0"], ["run", "--resume", out]):
            assert "another fedsift is at work on this run" in failed(*command)
    assert state_of(out) == before
    done("verify", out)


def test_what_is_no_run(tmp_path: Path) -> None:
    for command in (["forget", tmp_path, "x"], ["verify", tmp_path], ["run", "--resume", tmp_path]):
        assert "is no run folder" in failed(*command)
