import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.certificate import certify, check_certificate, default_key_path, load_or_make_key, public_key_of
from fedsift.core.errors import BadInput
from fedsift.core.server_state import ServerState
from tests.core.uploads import terms, upload
from tests.processes import together


@pytest.fixture
def state(tmp_path: Path) -> ServerState:
    made = ServerState.create(None, terms(4), 2)
    made.merge("client 0", upload([1, 0, 3, 0]))
    made.merge("client 1", upload([1, 0, 0, 2]))
    made.remove("client 0", upload([1, 0, 3, 0]))
    made.ledger.set("public_key", public_key_of(load_or_make_key(tmp_path / "key.pem")))
    return made


@pytest.fixture
def certificate(state: ServerState, tmp_path: Path) -> Path:
    path = tmp_path / "0001.json"
    made = certify(state.ledger.receipts()[0], load_or_make_key(tmp_path / "key.pem"))
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def test_a_certificate_holds(certificate: Path, state: ServerState) -> None:
    assert check_certificate(certificate, state.ledger) == []
    receipt = json.loads(certificate.read_text(encoding="utf-8"))["receipt"]
    assert (receipt["client"], receipt["verdict"], receipt["members_after"]) == ("client 0", "BIT_EXACT", 1)
    assert receipt["state_after"] == state.digest().hex()


def test_the_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first = public_key_of(load_or_make_key(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_key_of(load_or_make_key(path)) == first
    path.chmod(0o644)
    with pytest.raises(BadInput, match="can be read by others"):
        load_or_make_key(path)


KINDS = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
ENCRYPTED = Ed25519PrivateKey.generate().private_bytes(*KINDS, serialization.BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize("content", [b"no key", b"", b"\xff", ENCRYPTED, ENCRYPTED[:50]])
def test_a_bad_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadInput, match="no private key"):
        load_or_make_key(path)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("/dev/null/nohome", "cannot be made or read (Not a directory)"),
        ("/proc/nowhere", "cannot be made or read (No such file or directory)"),
        ("/tmp/" + "x" * 300, "cannot be made or read (File name too long)"),
        ("relative", "relative is no whole path"),
    ],
)
def test_a_key_that_cannot_be_made(config: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", config)
    with pytest.raises(BadInput, match=f"{re.escape(told)}.*set XDG_CONFIG_HOME to"):
        load_or_make_key(default_key_path())


def test_a_folder_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "key.pem").mkdir(mode=0o700)
    with pytest.raises(BadInput, match="Is a directory"):
        load_or_make_key(tmp_path / "key.pem")


IMPORTS = "from pathlib import Path; from fedsift.core.certificate import load_or_make_key, public_key_of"
MAKE = "print(public_key_of(load_or_make_key(Path(sys.argv[1]))))"


def test_processes_that_start_together_make_one_key(tmp_path: Path) -> None:
    """Also where one was killed while it made it."""
    (tmp_path / ".key.pem.partial").write_bytes(b"-----BEGIN")
    made = together(IMPORTS, MAKE, 4, tmp_path / "key.pem")
    assert {*made} == {f"{public_key_of(load_or_make_key(tmp_path / 'key.pem'))}\n"}


def test_a_full_disk_leaves_no_half_key(tmp_path: Path) -> None:
    """No file may grow: the write fails, as on a full disk."""
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))"
    command = [sys.executable, "-c", f"{limited}\n{IMPORTS}\n{MAKE}", str(tmp_path / "key.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be made or read (File too large)" in done.stderr
    assert load_or_make_key(tmp_path / "key.pem")


def test_a_change_is_seen(certificate: Path, state: ServerState, tmp_path: Path) -> None:
    read, forger = json.loads(certificate.read_text(encoding="utf-8")), load_or_make_key(tmp_path / "forger.pem")
    other = ServerState.create(None, terms(4), 2)
    other.ledger.set("public_key", public_key_of(load_or_make_key(tmp_path / "key.pem")))
    forged = certify(state.ledger.receipts()[0], forger)
    for changed, ledger, found in (
        (read, other.ledger, ["the ledger's receipt 1 is another one"]),
        (forged, None, []),
        (forged, state.ledger, ["it is signed with another key than the ledger's"]),
        (read | {"public_key": public_key_of(forger)}, None, ["its signature is not that of its public key"]),
        (
            read | {"receipt": read["receipt"] | {"client": "client 1"}},
            state.ledger,
            ["its receipt was changed: it does not hash to the signed digest"],
        ),
    ):
        certificate.write_text(json.dumps(changed), encoding="utf-8")
        assert check_certificate(certificate, ledger) == found


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"receipt": {"number": "x"}}', "null"])
def test_other_files_are_no_certificates(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match="no removal certificate"):
        check_certificate(path)
    with pytest.raises(BadInput, match="No such file"):
        check_certificate(tmp_path / "missing.json")
