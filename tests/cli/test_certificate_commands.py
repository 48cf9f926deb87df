"""What a client that left does on its own machine, and what whoever runs the server does for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.runs.ledger_folder import LedgerFolder
from tests.cli.commands import done, failed, fedsift, invoke
from tests.core.uploads import terms, upload


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that three clients left, one after the other."""
    folder = LedgerFolder.create(tmp_path / "run", RunConfig())
    state = ServerState.create(folder.ledger, terms(4), 4, key=folder.signing_key())
    for client in range(4):
        state.merge(f"client {client}", upload([client, 1, 0, 2]))
    for client in range(3):
        state.remove(f"client {client}", upload([client, 1, 0, 2]))
    state.ledger.close()
    folder.write_certificates()
    return folder.path


def test_a_certificate_on_another_machine(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file and the key, and nothing else; 0, 3 and 2 as of `verify`."""
    key = done("public-key", run).strip()
    file = Path(shutil.copy(run / "certificates" / "0002.json", tmp_path / "mine.json"))
    shutil.rmtree(run)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    printed = done("verify-certificate", file, "--public-key", key)
    for line in (
        "client             client 1",
        "verdict            BIT_EXACT",
        "members_after      2",
        "log size           2",
    ):
        assert line in printed.splitlines()
    assert printed.splitlines()[-1] == "certificate  ok"
    assert not (tmp_path / "elsewhere").exists()
    told = json.loads(done("verify-certificate", file, "--public-key", key, "--json"))
    assert told["checks"] == {"certificate": []}
    assert told["receipt"]["client"] == "client 1"
    other = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    code, printed, _ = invoke("verify-certificate", file, "--public-key", other)
    assert (code, printed) == (3, f"certificate  WRONG\n             it is not signed with the key {other}\n")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{", '{"payload": "e30=",', 1), encoding="utf-8")
    assert "has the key 'payload' twice" in failed("verify-certificate", file, "--public-key", key)
    for wrong in ("01" + "00" * 31, "nobody", "00"):
        assert "public-key" in failed("verify-certificate", file, "--public-key", wrong)


def test_heads_are_compared(run: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(done("public-key", run), encoding="utf-8")
    first, third = (run / "certificates" / f"000{number}.json" for number in (1, 3))
    head = tmp_path / "head.json"
    done("log-head", run, "--since", 1, "--out", head)
    assert head.read_text(encoding="utf-8") == done("log-head", run, "--since", 1)
    assert "log          ok" in done("verify-log", first, head, "--public-key", key)
    assert "log          ok" in done("verify-log", third, head, "--public-key", key)
    assert "log size           3" in done("verify-certificate", head, "--public-key", key)
    assert "fedsift log-head RUN --since 1" in failed("verify-log", first, third, "--public-key", key)
    code, printed, _ = invoke("verify-log", head, first, "--public-key", key)
    assert (code, "the newer log has 1 receipt, the older one 3: it was put back" in printed) == (3, True)
    assert "since = 4: the log has 3 receipts" in failed("log-head", run, "--since", 4)
    done("verify", run, "--certificate", head)
    backup = shutil.copytree(run, tmp_path / "another" / "run")
    with Ledger.open(backup / "ledger.sqlite", key=LedgerFolder(backup).signing_key()) as ledger:
        ServerState(ledger).refuse("client 3", "no")
    with Ledger.open(run / "ledger.sqlite", key=LedgerFolder(run).signing_key()) as ledger:
        ServerState(ledger).refuse("client 3", "another reason")
    heads = []
    for place in (run, backup):
        done("log-head", place, "--out", tmp_path / f"{len(heads)}.json")
        heads.append(tmp_path / f"{len(heads)}.json")
    code, printed, _ = invoke("verify-log", *heads, "--public-key", key)
    assert (code, "different clients are shown different logs" in printed) == (3, True)
    code, printed, _ = invoke("verify", run, "--certificate", heads[1])
    assert (code, "the ledger's log of 4 receipts is another one" in printed) == (3, True)


def test_no_learning_library_is_loaded_to_check_a_certificate(run: Path, tmp_path: Path) -> None:
    """A leaver has to install no more than the checks need; the process is one of its own."""
    command = ["verify-certificate", str(run / "certificates" / "0001.json"), "--public-key"]
    check = (
        f"import sys; from fedsift.cli import app; app({[*command, done('public-key', run).strip()]}, "
        "standalone_mode=False); print(sorted({'torch', 'flwr', 'ray', 'transformers'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert fedsift("verify-certificate", tmp_path / "none", "--public-key", tmp_path).returncode == 2
