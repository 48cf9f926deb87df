"""What a deployment is secured with: certificates for TLS, and a key for each node."""

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fedsift.core.errors import BadInput
from fedsift.runtime.node_grid import key_digest

_HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


_AUTHORITY_DAYS, _SERVER_DAYS = 3650, 825  # for which certificates are valid
_LOOPBACK = ("127.0.0.1", "::1")  # where the SuperLink's own processes reach it, which starts no run if they cannot


def make_certificates(folder: Path, hosts: Sequence[str]) -> list[Path]:
    """An authority of one's own and the SuperLink's certificate, signed by it; returns the files.

    Args:
        folder: gets ca.crt (for everybody), ca.key (to be kept offline), server.crt and server.key (for the SuperLink).
        hosts: names and addresses by which nodes reach the SuperLink; the loopback addresses are added.

    Raises:
        BadInput: no host or none that can be one, or one of the files is there already; nothing is written.
    """
    if not hosts:
        raise BadInput("certificates need a host: the name or address by which nodes reach the SuperLink")
    names = x509.SubjectAlternativeName([_host(each) for each in dict.fromkeys((*hosts, *_LOOPBACK))])
    files = [folder / name for name in ("ca.key", "ca.crt", "server.key", "server.crt")]
    _check_new(files)
    authority_key, server_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    authority_name, server_name = _name("fedsift authority"), _name(hosts[0][:64])
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key(), _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA384())
    )
    server = (
        _certificate(server_name, authority_name, server_key.public_key(), _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA384())
    )
    folder.mkdir(parents=True, exist_ok=True)
    pem = serialization.Encoding.PEM
    contents = [_pem(authority_key), authority.public_bytes(pem), _pem(server_key), server.public_bytes(pem)]
    for file, content in zip(files, contents, strict=True):
        _write(file, content, secret=file.suffix == ".key")
    return files


def make_node_key(file: Path) -> list[Path]:
    """A node's private key (P-384, OpenSSH's format, as Flower wants it), and beside it the public one, `.pub`.

    Raises:
        BadInput: one of the files is there already; nothing is written.
    """
    public = file.with_name(f"{file.name}.pub")
    _check_new([file, public])
    key = ec.generate_private_key(ec.SECP384R1())
    file.parent.mkdir(parents=True, exist_ok=True)
    openssh = serialization.PrivateFormat.OpenSSH
    private = key.private_bytes(serialization.Encoding.PEM, openssh, serialization.NoEncryption())
    _write(file, private, secret=True)
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write(public, line + b"\n", secret=False)
    return [file, public]


def digest_of_key_file(file: Path) -> str:
    """By what a ledger knows the node with a public key (`Ledger.set_node_key`).

    Raises:
        BadInput: the file is no public key in OpenSSH's format.
    """
    try:
        key = serialization.load_ssh_public_key(file.read_bytes())
    except OSError as error:
        raise BadInput(f"public key {file}: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"{file} is no public key as `fedsift make-node-key` writes it: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadInput(f"{file} is no elliptic-curve key; Flower takes no other")
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    return key_digest(key.public_bytes(serialization.Encoding.PEM, info))


def _check_new(files: Sequence[Path]) -> None:
    for file in files:
        if file.exists():
            raise BadInput(f"{file} exists already; nothing was written: move it away first")


def _write(file: Path, content: bytes, secret: bool) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise BadInput(f"host {host!r}: give a name or an address, without a port") from None
        return x509.DNSName(host)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # Clocks differ.
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    encipherments = ("content_commitment", "key_encipherment", "data_encipherment", "encipher_only", "decipher_only")
    none = dict.fromkeys((*encipherments, "key_agreement"), False)
    return x509.KeyUsage(not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates, **none)
