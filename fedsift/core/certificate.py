"""Removal certificates: a receipt, signed with Ed25519 (docs/certificate.md)."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.receipt import Receipt, canonical, receipt_digest

_FORMAT = "fedsift removal certificate 1"
_ADVICE = "set XDG_CONFIG_HOME to a folder of yours, in which fedsift keeps its key"


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


def certify(receipt: Receipt, key: Ed25519PrivateKey) -> dict[str, Any]:
    """The certificate of a receipt: its body for people, and the signed digest over body and log."""
    return {
        "format": _FORMAT,
        "receipt": receipt.body.values(),
        "previous": receipt.previous.hex(),
        "digest": receipt.digest.hex(),
        "public_key": public_key_of(key),
        "signature": key.sign(_signed(receipt.digest)).hex(),
    }


def check_certificate(path: Path, ledger: Ledger | None = None) -> list[str]:
    """What is wrong with a certificate, by itself and against a ledger; empty if nothing is.

    Raises:
        BadInput: the file is no certificate.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        number = int(read["receipt"]["number"])
        text = canonical(read["receipt"])
        digest, previous = bytes.fromhex(read["digest"]), bytes.fromhex(read["previous"])
        public_key, signature = bytes.fromhex(read["public_key"]), bytes.fromhex(read["signature"])
        if read["format"] != _FORMAT:
            raise BadInput(f"certificate {path}: format {read['format']!r}, expected {_FORMAT!r}")
        verifier = Ed25519PublicKey.from_public_bytes(public_key)
    except OSError as error:
        raise BadInput(f"certificate {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is no removal certificate: {error!r}") from error
    problems = []
    if receipt_digest(previous, text) != digest:
        problems.append("its receipt was changed: it does not hash to the signed digest")
    try:
        verifier.verify(signature, _signed(digest))
    except InvalidSignature:
        problems.append("its signature is not that of its public key")
    if ledger is not None:
        if public_key.hex() != ledger.get("public_key"):
            problems.append("it is signed with another key than the ledger's")
        if digest not in {receipt.digest for receipt in ledger.receipts() if receipt.number == number}:
            problems.append(f"the ledger's receipt {number} is another one")
    return problems


def _signed(digest: bytes) -> bytes:
    """The message signed: the format's name keeps the signature from meaning anything else."""
    return _FORMAT.encode() + b"\0" + digest
