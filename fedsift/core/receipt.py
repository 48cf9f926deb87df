"""What was done for a client that asked to leave: its receipt, an entry of the ledger's hash chain."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fedsift.core.errors import BadInput
from fedsift.core.strict_json import Misfit, parse_json, typed


class Verdict(StrEnum):
    """What became of a request to leave."""

    BIT_EXACT = "BIT_EXACT"  # the rerun had the digest that was merged, and was subtracted
    REBUILT = "REBUILT"  # the rerun differed, and all who stay trained again
    ROWS_BIT_EXACT = "ROWS_BIT_EXACT"  # it stays: its rerun without the rows took the place of what was merged
    REFUSED = "REFUSED"  # nothing was changed

    @property
    def removed(self) -> bool:
        """Whether the client is gone."""
        return self in (Verdict.BIT_EXACT, Verdict.REBUILT)

    @property
    def done(self) -> bool:
        """Whether what was asked for is done."""
        return self is not Verdict.REFUSED


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a receipt says of the run: what a rerun needs, and how far its bits carry."""

    profile: str | None = None  # of reproducibility
    root_seed: int | None = None  # of all seeds
    software: str | None = None  # name and version


@dataclass(frozen=True, kw_only=True)
class ReceiptBody(RunFacts):
    """What a receipt says; what is None does not apply, and does not stand in its text."""

    number: int = 0  # its place in the log, from 1 on; the ledger gives it
    client: str  # who asked to leave
    verdict: Verdict
    reason: str = ""  # of a refusal, or of a rebuild
    commitment: str  # hash of the digest of what was merged; empty for who was no member
    steps_retrained: int  # optimiser steps that it took
    time: str  # UTC, to the second
    state_before: str  # digests of the state, in hexadecimal
    state_after: str
    members_after: int
    sign_seed: int
    rows_forgotten: int | None = None  # of a client that stays: how many of the rows that it tuned on
    members_retrained: int | None = None  # of a rebuild: who trained again
    members_matching: int | None = None  # and how many came to the same upload

    @classmethod
    def read(cls, text: str) -> "ReceiptBody":
        """The inverse of `text`.

        Raises:
            BadInput: it is no receipt's.
        """
        try:
            body: ReceiptBody = typed(cls.with_all_fields(parse_json(text)), cls, "receipt")
            if body.text != text:
                raise ValueError("it is not in the canonical form")
        except (ValueError, Misfit) as error:
            raise BadInput(f"the ledger is damaged: a receipt cannot be read ({error})") from error
        return body

    @classmethod
    def with_all_fields(cls, values: Any) -> Any:
        """What a text says, with None for what does not stand in it, for `typed`."""
        left_out = {field.name: None for field in dataclasses.fields(cls) if field.default is None}
        return left_out | values if isinstance(values, dict) else values

    def values(self) -> dict[str, str | int]:
        """What it says, by the names in its text."""
        return {name: value for name, value in sorted(vars(self).items()) if value is not None}

    @property
    def text(self) -> str:
        """The canonical JSON that is hashed."""
        return canonical(self.values())


def canonical(values: object) -> str:
    """JSON in one way only: keys sorted, no blanks."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Receipt:
    """An entry of the log: the text of its body, chained to the entry before."""

    number: int
    text: str
    previous: bytes
    digest: bytes

    @classmethod
    def after(cls, number: int, previous: bytes, body: ReceiptBody) -> "Receipt":
        """The receipt that follows one with digest `previous`."""
        text = dataclasses.replace(body, number=number).text
        return cls(number, text, previous, receipt_digest(previous, text))

    @property
    def body(self) -> ReceiptBody:
        """What it says, as `ReceiptBody.read` finds it."""
        return ReceiptBody.read(self.text)


def receipt_digest(previous: bytes, text: str) -> bytes:
    """SHA-256 over the previous receipt's digest (32 zero bytes for the first) and the text of the body."""
    return hashlib.sha256(previous + text.encode()).digest()
