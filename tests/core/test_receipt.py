"""Receipts: their canonical text, which is hashed, and what is read from it."""

import dataclasses
import hashlib
from typing import Any

import pytest

from fedsift.core.errors import BadInput
from fedsift.core.receipt import Receipt, ReceiptBody, RunFacts, Verdict
from fedsift.core.server_state import ServerState
from tests.core.uploads import terms

BODY = ReceiptBody(
    client='"REFUSED"',
    verdict=Verdict.BIT_EXACT,
    commitment="c0",
    steps_retrained=3,
    time="2025-01-01T00:00:00+00:00",
    state_before="a",
    state_after="b",
    members_after=2,
    sign_seed=7,
)
TEXT = (
    r'{"client":"\"REFUSED\"","commitment":"c0","members_after":2,"number":5,"reason":"","sign_seed":7,'
    r'"state_after":"b","state_before":"a","steps_retrained":3,"time":"2025-01-01T00:00:00+00:00",'
    r'"verdict":"BIT_EXACT"}'
)


def test_the_text_that_is_hashed() -> None:
    receipt = Receipt.after(5, bytes(32), BODY)
    assert receipt.text == TEXT
    assert receipt.digest == hashlib.sha256(bytes(32) + TEXT.encode()).digest()
    assert receipt.body == dataclasses.replace(BODY, number=5)
    assert receipt.body.verdict.removed


def test_what_does_not_apply_is_left_out() -> None:
    added: dict[str, Any] = {"members_retrained": 0, "profile": "fast", "root_seed": 0, "software": "s"}
    rebuilt = dataclasses.replace(BODY, number=5, verdict=Verdict.REBUILT, **added)
    assert rebuilt.values().keys() - dataclasses.replace(BODY, number=5).values().keys() == added.keys()
    assert rebuilt.values().items() >= added.items()
    assert ReceiptBody.read(rebuilt.text) == rebuilt


def test_facts_of_the_run_stand_in_a_receipt() -> None:
    state = ServerState.create(None, terms(2), 2)
    body = state.refuse("ann", "no", RunFacts(profile="vendor", root_seed=3, software="s")).body
    assert (body.profile, body.root_seed, body.software) == ("vendor", 3, "s")
    assert (body.client, body.verdict, body.reason, body.commitment) == ("ann", Verdict.REFUSED, "no", "")
    assert body.state_before == body.state_after == state.digest().hex()
    assert not body.verdict.removed


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", TEXT[:-1], TEXT.replace("BIT_EXACT", "BIT_EXCAT"), TEXT.replace("reason", "raeson")]
)
def test_a_damaged_receipt(text: str) -> None:
    with pytest.raises(BadInput, match="the ledger is damaged: a receipt cannot be read"):
        ReceiptBody.read(text)
