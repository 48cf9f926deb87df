"""A removal that is committed is the answer: what else belongs to it is told as late, and the next command does it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import mask_path
from fedsift.core.server_state import ServerState
from fedsift.runs.run_folder import RunFolder
from tests.cli.commands import done, failed, invoke, receipt_of, result_of

LEAVER = "client 2"


@pytest.fixture(scope="module")
def merged(tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_toml(tiny_config, folder / "config.toml")
    done("run", folder / "config.toml", "--out", folder / "out")
    return folder / "out"


@pytest.fixture
def out(merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of eight members."""
    monkeypatch.setattr(Ledger, "patience", 50)
    return shutil.copytree(merged, tmp_path / "out")


def left_traces(out: Path) -> list[str]:
    """What of the leaver is where it does not belong."""
    traces = [file.name for file in [mask_path(out / "masks", LEAVER)] if file.exists()]
    certificate = out / "certificates" / "0001.json"
    if not certificate.exists() or receipt_of(certificate)["client"] != LEAVER:
        traces.append("no certificate")
    if LEAVER in result_of(out)["scores"]["merged"]["per_client"]:
        traces.append("result.json")
    return traces


def test_a_reader_that_stays(out: Path) -> None:
    """A backup under way: the removal is done, certified and told; old pages go with the next command."""
    with Ledger.open(out / "ledger.sqlite", read_only=True) as ledger:
        member = ledger.members()[LEAVER]
    secrets = [member.digest, member.mask_digest, member.data_digest, member.checksums]
    with closing(sqlite3.connect(out / "ledger.sqlite", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM members").fetchone() == (8,)
        printed = done("forget", out, LEAVER)
        assert f"removal  {LEAVER}  BIT_EXACT" in printed
        assert "late     old pages of the ledger are not overwritten: another process reads it; the next" in printed
        assert left_traces(out) == []
        assert f"client '{LEAVER}' has left already, by receipt 1" in failed("forget", out, LEAVER, code=3)
        done("verify", out)
        assert reader.execute("SELECT count(*) FROM members").fetchone() == (8,)
    done("run", "--resume", out)
    data = b"".join(file.read_bytes() for file in out.rglob("*") if file.is_file())
    assert [secret for secret in secrets if secret in data] == []
    assert not list(out.glob("ledger.sqlite-*"))
    assert "late" not in done("forget", out, "client 3")


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def locked(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (RunFolder, "write_certificates", full),
        (RunFolder, "write_result", full),
        (RunFolder, "sweep", full),
        (ServerState, "fold", locked),
    ],
)
def test_what_fails_after_the_commit(
    out: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: Callable[..., None]
) -> None:
    with monkeypatch.context() as patch:
        commit = ServerState.commit_removals

        def failing_from_now_on(*arguments: object) -> object:
            receipts = commit(*arguments)  # type: ignore[arg-type]
            patch.setattr(owner, name, error)
            return receipts

        patch.setattr(ServerState, "commit_removals", failing_from_now_on)
        code, printed, told = invoke("forget", out, LEAVER)
    assert (code, f"removal  {LEAVER}  BIT_EXACT" in printed, "late     " in printed) == (0, True, True), told
    done("run", "--resume", out)
    assert left_traces(out) == []
    done("verify", out, "--certificate", out / "certificates" / "0001.json")


def test_what_fails_before_the_commit_changes_nothing(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (out / "ledger.sqlite").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append_receipt", locked)
        assert "disk I/O error" in failed("forget", out, LEAVER, code=1)
    with Ledger.open(out / "ledger.sqlite", read_only=True) as ledger:
        assert LEAVER in ledger.members()
    assert len(before) == (out / "ledger.sqlite").stat().st_size
    done("forget", out, LEAVER)
    assert left_traces(out) == []
