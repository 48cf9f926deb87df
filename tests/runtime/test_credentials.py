"""Certificates and keys: held against what Flower and TLS make of them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from flwr.cli.supernode.register import try_load_public_key

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.runs.rekey import rekey
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.credentials import digest_of_key_file, make_certificates, make_node_key
from fedsift.runtime.node_grid import key_digest
from tests.core.uploads import terms, upload


def verify(folder: Path, host: str, authority: Path) -> None:
    store = Store([x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())])
    server = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(host)).verify(server, [])


def test_the_server_is_vouched_for_under_its_own_name_only(tmp_path: Path) -> None:
    make_certificates(tmp_path / "ours", ["hospital.example", "10.0.0.1"])
    make_certificates(tmp_path / "theirs", ["hospital.example"])
    verify(tmp_path / "ours", "hospital.example", tmp_path / "ours")
    for host, authority in (("other.example", "ours"), ("hospital.example", "theirs")):
        with pytest.raises(VerificationError):
            verify(tmp_path / "ours", host, tmp_path / authority)
    server = x509.load_pem_x509_certificate((tmp_path / "ours" / "server.crt").read_bytes())
    assert server.not_valid_after_utc - datetime.now(UTC) < timedelta(days=826)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ours" / "server.crt", tmp_path / "ours" / "server.key")


def test_the_superlinks_own_processes_reach_it(tmp_path: Path) -> None:
    """They call 127.0.0.1 or ::1 where it listens on all addresses; else no run would ever begin."""
    make_certificates(tmp_path, ["hospital.example", "127.0.0.1"])
    server = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hospital.example"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]


def test_secrets_are_readable_by_their_owner_only_and_never_replaced(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, ["localhost"]) + make_node_key(tmp_path / "node")
    modes = {file.name: file.stat().st_mode & 0o777 for file in files}
    public = {"ca.crt", "server.crt", "node.pub"}
    assert modes == dict.fromkeys(public, 0o644) | dict.fromkeys(("ca.key", "server.key", "node"), 0o600)
    before = {file: file.read_bytes() for file in files}
    for make in (lambda: make_certificates(tmp_path, ["localhost"]), lambda: make_node_key(tmp_path / "node")):
        with pytest.raises(BadInput, match="exists already; nothing was written"):
            make()
    with pytest.raises(BadInput, match="need a host"):
        make_certificates(tmp_path / "new", [])
    for host in ("fl example", "fl.example.org:9092", "https://fl.example.org", ""):
        with pytest.raises(BadInput, match="give a name or an address, without a port"):
            make_certificates(tmp_path / "new", ["localhost", host])
    assert {file: file.read_bytes() for file in files} == before


def test_a_key_is_what_flower_registers(tmp_path: Path) -> None:
    private, public = make_node_key(tmp_path / "node")
    assert digest_of_key_file(public) == key_digest(try_load_public_key(public))
    loaded = serialization.load_ssh_private_key(private.read_bytes(), password=None)
    openssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    assert loaded.public_key().public_bytes(*openssh) + b"\n" == public.read_bytes()
    with pytest.raises(BadInput, match="is no public key"):
        digest_of_key_file(private)
    with pytest.raises(BadInput, match="No such file"):
        digest_of_key_file(tmp_path / "missing.pub")


def test_a_member_is_tied_to_a_new_key(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", RunConfig())
    key = folder.signing_key()
    state = ServerState.create(folder.ledger, terms(4), capacity=1, key=key)
    state.merge("clinic-7", upload([1, 0, 3, 0]), node_key="0" * 64)
    state.ledger.close()
    _, public = make_node_key(tmp_path / "node")
    with pytest.raises(BadInput, match="unknown member 'clinic-8'; did you mean 'clinic-7'"):
        rekey(folder.path, "clinic-8", public)
    with folder.locked(), pytest.raises(BadInput, match="another fedsift is at work"):
        rekey(folder.path, "clinic-7", public)
    with pytest.raises(BadInput, match="public key"):
        rekey(folder.path, "clinic-7", folder.ledger)
    rekey(folder.path, "clinic-7", public)
    ledger = Ledger.open(folder.ledger, key=key)
    assert ledger.node_key("clinic-7") == digest_of_key_file(public)
    with ledger.transaction():
        ledger.set_node_key("clinic-7", "")
    with pytest.raises(BadInput, match="'clinic-7' is tied to no node"):
        rekey(folder.path, "clinic-7", public)
    ledger.close()
