"""The key that signs certificates and tree heads (Ed25519), and the public keys that others check them with."""

import fcntl
import os
import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedsift.core.errors import BadInput

_ADVICE = "set XDG_CONFIG_HOME to a folder of yours, in which fedsift keeps its key"
_FIELD = 2**255 - 19  # Coordinates of edwards25519 are below it (RFC 8032).
# The y-coordinates of the points of order 1, 2, 4 and 8: such a key accepts signatures that nobody made.
_SMALL_ORDER = {
    0,
    1,
    _FIELD - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


def default_key_path() -> Path:
    """Where the signing key lies: with the user, not with a run that may be handed on.

    Raises:
        BadInput: the user has no home, or it is given as a relative path.
    """
    try:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError as error:
        raise BadInput(f"signing key: this user has no home; {_ADVICE}") from error
    if not config.is_absolute():
        raise BadInput(f"signing key: {config} is no whole path; {_ADVICE}")
    return config / "fedsift" / "signing-key.pem"


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The signing key, made on first use and readable by its owner only.

    Raises:
        BadInput: it cannot be made or read, is no such key, or others may read it.
    """
    try:
        if not path.exists():
            _make_key(path)
        shared = path.stat().st_mode & 0o077
        pem = path.read_bytes()
    except OSError as error:
        raise BadInput(f"signing key {path} cannot be made or read ({error.strerror}); {_ADVICE}") from error
    if shared:
        raise BadInput(f"signing key {path} can be read by others: chmod 600 it, or make a new one if it was seen")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted.
        raise BadInput(
            f"signing key {path} is no private key in PEM without a password ({error}): put the right file there, or "
            "take this one away, and a new run gets a new key"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"signing key {path} is no Ed25519 key")
    return key


def _make_key(path: Path) -> None:
    """Write a new key whole or not at all; of several processes one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists():
            return  # Another process was first.
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        partial.replace(path)
    finally:
        os.close(folder)


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public key, 32 bytes in hexadecimal."""
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def read_public_key(text: str) -> Ed25519PublicKey:
    """The inverse of `public_key_of`.

    Raises:
        ValueError: it is not 64 small hexadecimal digits, or no point that a secret key has.
    """
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("a public key is 64 hexadecimal digits, in small letters")
    raw = bytes.fromhex(text)
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    if y >= _FIELD or y in _SMALL_ORDER:
        raise ValueError("it is no key that anybody could hold: a point of small order, or not in its one form")
    return Ed25519PublicKey.from_public_bytes(raw)


def given_public_key(given: str) -> str:
    """A public key as a user gives it: its 64 digits, or the file that holds them.

    Raises:
        BadInput: it is neither.
    """
    text = given
    try:
        if not re.fullmatch("[0-9a-fA-F]{64}", given):
            text = Path(given).read_text(encoding="utf-8").strip()
        read_public_key(text)
    except OSError as error:
        raise BadInput(f"public-key {given}: neither 64 hexadecimal digits nor a file ({error.strerror})") from error
    except ValueError as error:
        raise BadInput(f"public-key {given}: {error}") from error
    return text
