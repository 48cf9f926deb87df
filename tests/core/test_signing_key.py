"""The key that signs, and public keys that nobody could hold."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.errors import BadInput
from fedsift.core.signing_key import (
    default_key_path,
    given_public_key,
    load_or_make_key,
    public_key_of,
    read_public_key,
)
from tests.processes import together

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


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


IMPORTS = "from pathlib import Path; from fedsift.core.signing_key import load_or_make_key, public_key_of"
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


def added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The sum of two points of edwards25519 (RFC 8032, section 5.1.4, in affine coordinates)."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + y1 * x2) * pow(1 + product, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def small_points() -> set[tuple[int, int]]:
    """All points of order 1, 2, 4 and 8: the multiples of one of order 8, y of which is a root of d y^4 + 2 y^2 = 1.

    That follows from 2 (x, y) being (i, 0) or (-i, 0), so that y^2 = -x^2.
    """

    def root(square: int) -> int:
        found = pow(square, (P + 3) // 8, P)
        return found if found * found % P == square % P else found * pow(2, (P - 1) // 4, P) % P

    for sign in (1, -1):
        y = root((-1 + sign * root(1 + D)) * pow(D, -1, P) % P)
        x = root(-y * y % P)
        if (y * y - x * x - 1 - D * x * x * y * y) % P == 0:
            points = {(0, 1)}
            for _ in range(8):
                points |= {added(each, (x, y)) for each in points}
            return points
    raise AssertionError("there is one")


def test_keys_of_small_order_are_refused_in_all_their_forms() -> None:
    points = small_points()
    assert len(points) == 8
    forms = set()
    for x, y in points:
        for form in (y, y + P):
            forms |= {form | sign << 255 for sign in (x & 1, 1 - (x & 1)) if form < 2**255}
    assert len(forms) > 8
    for form in forms:
        with pytest.raises(ValueError, match="no key that anybody could hold"):
            read_public_key(form.to_bytes(32, "little").hex())


def test_a_public_key_is_written_in_one_way(tmp_path: Path) -> None:
    text = public_key_of(Ed25519PrivateKey.generate())
    assert read_public_key(text).public_bytes_raw().hex() == text
    (tmp_path / "public-key").write_text(f"{text}\n", encoding="utf-8")
    assert given_public_key(text) == given_public_key(str(tmp_path / "public-key")) == text
    letters = public_key_of(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    for wrong in (letters.upper(), text[:-1], f"{text}0", f" {text}", f"0x{text[2:]}", "", "\u0660" * 64):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            read_public_key(wrong)
    for given, told in (
        (letters.upper(), "small letters"),
        ("nowhere", "neither 64"),
        (str(tmp_path), "neither 64"),
    ):
        with pytest.raises(BadInput, match=told):
            given_public_key(given)
