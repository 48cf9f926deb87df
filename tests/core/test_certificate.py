"""Certificates and tree heads: what holds, and every change of them that does not."""

import base64
import dataclasses
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedsift.core.certificate import Signed, certify, check_against, check_log
from fedsift.core.envelope import signed
from fedsift.core.errors import BadInput
from fedsift.core.receipt_log import Certificate, HeadSince, ReceiptLog
from fedsift.core.server_state import ServerState
from fedsift.core.signing_key import public_key_of
from tests.core.uploads import terms, upload

KEY, FORGER = (Ed25519PrivateKey.from_private_bytes(bytes([each]) * 32) for each in (1, 2))
PUBLIC, FORGERS = public_key_of(KEY), public_key_of(FORGER)
CLIENTS = 7


@pytest.fixture
def state() -> ServerState:
    """A state that seven clients left, one of them after a refusal: receipts 1 to 8."""
    made = ServerState.create(None, terms(4), CLIENTS + 1, key=KEY)
    for client in range(CLIENTS + 1):
        made.merge(f"client {client}", upload([1, 0, client % 4, 2]))
    made.refuse("client 3", "no")
    for client in range(CLIENTS):
        made.remove(f"client {client}", upload([1, 0, client % 4, 2]))
    return made


@pytest.fixture
def log(state: ServerState) -> ReceiptLog:
    return ReceiptLog.of(state.ledger)


def read(text: str) -> Signed:
    return Signed.read(text.encode(), "file")


def opened(text: str) -> Any:
    """What an envelope signs."""
    return json.loads(base64.b64decode(json.loads(text)["payload"]))


def test_a_certificate_holds_for_who_has_the_key_alone(log: ReceiptLog, state: ServerState, tmp_path: Path) -> None:
    for number in range(1, len(log) + 1):
        text = certify(log.certificate(number), KEY)
        assert read(text).problems(PUBLIC) == []
        assert read(text).said == log.certificate(number)
        (tmp_path / "file").write_text(text, encoding="utf-8")
        assert check_against(tmp_path / "file", state.ledger) == []
    receipt = opened(certify(log.certificate(2), KEY))["receipt"]
    assert (receipt["client"], receipt["verdict"], receipt["members_after"]) == ("client 0", "BIT_EXACT", CLIENTS)
    assert opened(certify(log.certificate(8), KEY))["receipt"]["state_after"] == state.digest().hex()


def test_the_envelope_is_that_of_dsse(log: ReceiptLog) -> None:
    """Its pre-authentication encoding, as the specification has it, word by word."""
    text = certify(log.certificate(3), KEY)
    envelope = json.loads(text)
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(PUBLIC)).verify(signature, encoded)
    assert payload == json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":")).encode()


def test_a_receipt_has_one_certificate_however_long_the_log_is(log: ReceiptLog) -> None:
    early = ReceiptLog(log.id, log.texts[:3])
    assert certify(early.certificate(3), KEY) == certify(log.certificate(3), KEY)


def resigned(change: Callable[[dict[str, Any]], None], log: ReceiptLog, number: int = 4) -> str:
    """A certificate whose content was changed, by whoever holds the key."""
    statement = opened(certify(log.certificate(number), KEY))
    change(statement)
    return signed(statement, Certificate.payload_type, KEY).text


def test_what_the_key_alone_cannot_make_true(log: ReceiptLog, state: ServerState, tmp_path: Path) -> None:
    """A change that is signed: the proof does not hold; or where it is made anew, the log is another."""
    for change in (
        lambda said: said["receipt"].update(client="client 9"),
        lambda said: said["receipt"].update(number=3),
        lambda said: said["head"].update(size=5),
        lambda said: said["head"].update(root="00" * 32),
        lambda said: said["inclusion"].pop(),
        lambda said: said["inclusion"].append("00" * 32),
    ):
        (problem,) = read(resigned(change, log)).problems(PUBLIC)
        assert problem.startswith("its proof does not show that receipt ")
    body = log.certificate(4).receipt
    other = ReceiptLog(log.id, [*log.texts[:3], dataclasses.replace(body, client="client 9").text])
    forged = certify(other.certificate(4), KEY)
    assert read(forged).problems(PUBLIC) == []  # With the key and nobody to compare with, it can be forged.
    (tmp_path / "file").write_text(forged, encoding="utf-8")
    assert check_against(tmp_path / "file", state.ledger) == ["the ledger's log of 4 receipts is another one"]
    told = check_log(read(certify(log.certificate(4), KEY)), read(forged), PUBLIC)
    assert told == ["two logs of 4 receipts are signed: different clients are shown different logs"]


def test_of_another_key(log: ReceiptLog, state: ServerState, tmp_path: Path) -> None:
    forged = certify(log.certificate(1), FORGER)
    assert read(forged).problems(FORGERS) == []
    assert read(forged).problems(PUBLIC) == [f"it is not signed with the key {PUBLIC}"]
    (tmp_path / "file").write_text(forged, encoding="utf-8")
    assert check_against(tmp_path / "file", state.ledger) == [f"it is not signed with the key {PUBLIC}"]
    envelope = json.loads(certify(log.certificate(1), KEY))
    envelope["payloadType"] = HeadSince.payload_type  # The type is signed too.
    with pytest.raises(BadInput, match="it is of another kind"):
        read(json.dumps(envelope))


REWRITTEN = [
    ("duplicate in the envelope", lambda text: text.replace("{", '{"payload": "e30=",', 1), "the key 'payload' twice"),
    ("unknown in the envelope", lambda text: text.replace("{", '{"more": 1,', 1), "no DSSE envelope"),
    ("no signature", lambda text: json.dumps({**json.loads(text), "signatures": []}), "0 signatures"),
    (
        "two signatures",
        lambda text: json.dumps({**json.loads(text), "signatures": json.loads(text)["signatures"] * 2}),
        "2 signatures",
    ),
    ("another type", lambda text: text.replace("removal-certificate", "x"), "payload is of type"),
    ("not of base64", lambda text: json.dumps({**json.loads(text), "payload": "e30"}), "padding"),
    ("base64 with a blank", lambda text: text.replace('"payload": "', '"payload": " '), "base64"),
    ("infinity", lambda text: text.replace('"payload": "', '"more": Infinity, "payload": "'), "Infinity"),
    ("deep", lambda text: text + "[" * 100_000, "nested deeper"),
    ("large", lambda text: text + " " * (1 << 20), "larger than"),
    ("empty", lambda text: text[:0], "Expecting value"),
    ("null", lambda text: f"{text[:0]}null", "no DSSE envelope"),
]


@pytest.mark.parametrize(("change", "told"), [each[1:] for each in REWRITTEN], ids=[each[0] for each in REWRITTEN])
def test_an_envelope_with_two_meanings(change: Callable[[str], str], told: str, log: ReceiptLog) -> None:
    with pytest.raises(BadInput, match=f"file is no removal certificate or tree head: .*{told}"):
        read(change(certify(log.certificate(4), KEY)))


SIGNED = [
    ("duplicate client", lambda text: text.replace('"receipt":{', '"receipt":{"client":"other",'), "'client' twice"),
    ("duplicate verdict", lambda text: text.replace("}}", ',"verdict":"REFUSED"}}'), "'verdict' twice"),
    ("unknown key", lambda text: text.replace('"receipt":{', '"receipt":{"aaa":1,'), "statement.receipt"),
    ("a receipt less", lambda text: text.replace('"members_after"', '"members_afterwards"'), "statement.receipt"),
    ("unknown verdict", lambda text: text.replace("BIT_EXACT", "BIT_EXACTLY"), "receipt.verdict"),
    ("a number as text", lambda text: text.replace('"number":4', '"number":"4"'), "receipt.number"),
    ("a blank", lambda text: text.replace(":", ": ", 1), "canonical"),
    ("another order", lambda text: json.dumps(json.loads(text), sort_keys=False)[:-1] + "} ", "canonical"),
    ("an escape", lambda text: text.replace("client 2", "client\\u00202"), "canonical"),
    ("null for nothing", lambda text: text.replace('"number"', '"members_retrained":null,"number"'), "canonical"),
    ("large letters", lambda text: text.replace('"root":"', '"root":"AB'), "is no hash"),
    ("no hash", lambda text: text.replace('"root":"', '"root":"zz'), "is no hash"),
    ("no number", lambda text: text.replace('"number":4', '"number":NaN'), "NaN"),
    ("a surrogate", lambda text: text.replace("client 2", "client \\ud800"), "Unicode"),
]


@pytest.mark.parametrize(("change", "told"), [each[1:] for each in SIGNED], ids=[each[0] for each in SIGNED])
def test_a_statement_with_two_meanings(change: Callable[[str], str], told: str, log: ReceiptLog) -> None:
    """Also from whoever holds the key."""
    envelope = json.loads(certify(log.certificate(4), KEY))
    text = base64.b64decode(envelope["payload"]).decode()
    assert change(text) != text
    envelope["payload"] = base64.b64encode(change(text).encode()).decode()
    with pytest.raises(BadInput, match=told):
        read(json.dumps(envelope))


def flips(text: str, places: range | list[int]) -> tuple[int, int]:
    """Every bit of a file's bytes at some places: how many are refused, and how many change nothing that is read."""
    whole, refused, same = text.encode(), 0, 0
    wanted = read(text).said
    for place, bit in itertools.product(places, range(8)):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        try:
            found = Signed.read(bytes(changed), "file")
        except BadInput:
            refused += 1
            continue
        if found.problems(PUBLIC):
            refused += 1
        else:
            assert found.said == wanted, (place, bit)
            same += 1
    return refused, same


def test_flipped_bits(log: ReceiptLog) -> None:
    text = certify(log.certificate(5), KEY)
    refused, same = flips(text, random.Random(0).sample(range(len(text)), 60))
    assert refused > 400
    assert same < 20  # blanks of the envelope


@pytest.mark.exhaustive
def test_all_flipped_bits(log: ReceiptLog) -> None:
    text = certify(log.certificate(5), KEY)
    refused, same = flips(text, range(len(text)))
    print(f"certificate: {refused + same} bits flipped, {refused} refused, {same} blanks for blanks, 0 unseen")


def test_heads_of_one_log_are_consistent(log: ReceiptLog) -> None:
    """Of every size against every later one; and with the proof of another pair they are not."""
    for old, new in itertools.combinations_with_replacement(range(1, len(log) + 1), 2):
        before = read(certify(log.certificate(old), KEY))
        now = read(certify(ReceiptLog(log.id, log.texts[:new]).head_since(old), KEY))
        assert check_log(before, now, PUBLIC) == []
        if old < new:
            wrong = dataclasses.replace(log.head_since(old), since=max(1, old - 1), head=log.head(new))
            if wrong.since != old:
                with pytest.raises(BadInput, match=f"fedsift log-head RUN --since {old}"):
                    check_log(before, read(certify(wrong, KEY)), PUBLIC)


def test_heads_that_do_not_fit(log: ReceiptLog) -> None:
    texts = list(log.texts)
    texts[1] = dataclasses.replace(log.certificate(2).receipt, client="another").text
    rewritten, elsewhere = ReceiptLog(log.id, texts), ReceiptLog("ab" * 16, log.texts)
    before = read(certify(log.certificate(4), KEY))
    for head, told in (
        (rewritten.head_since(4), "does not begin with the older one"),
        (elsewhere.head_since(4), "heads of two logs"),
        (ReceiptLog(log.id, log.texts[:3]).head_since(0), "it was put back"),
        (ReceiptLog(log.id, texts[:4]).head_since(0), "two logs of 4 receipts are signed"),
    ):
        (problem,) = check_log(before, read(certify(head, KEY)), PUBLIC)
        assert told in problem
    for old, new in ((KEY, FORGER), (FORGER, KEY)):
        head = read(certify(log.head_since(4), new))
        (problem,) = check_log(read(certify(log.certificate(4), old)), head, PUBLIC)
        assert "is not signed with the key" in problem
    with pytest.raises(BadInput, match="no proof about the log of 4 receipts"):
        check_log(before, read(certify(log.certificate(6), KEY)), PUBLIC)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "missing", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BadInput, match=told):
            Signed.load(path)


def test_an_empty_log_has_a_head(state: ServerState, tmp_path: Path) -> None:
    empty = ReceiptLog("00" * 16, [])
    later = ReceiptLog("00" * 16, ReceiptLog.of(state.ledger).texts)
    assert check_log(read(certify(empty.head_since(0), KEY)), read(certify(later.head_since(0), KEY)), PUBLIC) == []
    other = ServerState.create(None, terms(4), 2)
    (tmp_path / "file").write_text(certify(empty.head_since(0), KEY), encoding="utf-8")
    assert check_against(tmp_path / "file", other.ledger)[0] == "it is not signed with the key "
