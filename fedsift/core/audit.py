"""An audit of a ledger without any retraining: every stored value is held against something else that is stored."""

import hashlib
from dataclasses import dataclass

from fedsift.core.errors import FedsiftError, counted
from fedsift.core.ledger import Ledger
from fedsift.core.member import summed_checksums
from fedsift.core.receipt import receipt_digest
from fedsift.core.server_state import ServerState
from fedsift.core.upload import Upload


@dataclass(frozen=True)
class Finding:
    """One check and what it found wrong; an empty list is a pass."""

    check: str
    problems: list[str]


def audit(ledger: Ledger, public_key: str | None = None) -> list[Finding]:
    """Run all checks that apply, on one state of the ledger, whoever changes it meanwhile.

    A damaged ledger stops at the check that it fails.

    1. structure   SQLite's own integrity check.
    2. receipts    each hashes to its digest and holds the digest of the one before; the last is the recorded head.
    3. journal     each upload is valid and has the digest of its member.
    4. checksums   that of each sum is the sum of the members' checksums, mod 2^64.
    5. seal        every value that is stored is what was sealed, with the run's key.

    Args:
        ledger: the ledger.
        public_key: whose seal it has to be, in hexadecimal; None where that is not known.
    """
    findings: list[Finding] = []
    with ledger.snapshot():
        for check in (_structure, _receipts, _journal, _checksums):
            try:
                findings.append(Finding(check.__name__[1:], check(ledger)))
            except FedsiftError as error:
                findings.append(Finding(check.__name__[1:], [str(error)]))
                break
        try:
            seal = ledger.content_errors() + _signer(ledger, public_key)
        except FedsiftError as error:
            seal = [str(error)]
        return [*findings, Finding("seal", seal)]


def _structure(ledger: Ledger) -> list[str]:
    return ledger.structure_errors()


def _signer(ledger: Ledger, public_key: str | None) -> list[str]:
    if public_key is None or public_key == ledger.public_key:
        return []
    found = f"sealed with key {ledger.public_key[:16]}..." if ledger.public_key else "not signed"
    return [f"it is {found}, not with key {public_key[:16]}..."]


def _receipts(ledger: Ledger) -> list[str]:
    problems = []
    previous = bytes(32)
    for place, receipt in enumerate(ledger.receipts(), start=1):
        if receipt.number != place:
            problems.append(f"receipt {place} is missing")
            break
        if receipt.previous != previous or receipt_digest(receipt.previous, receipt.text) != receipt.digest:
            problems.append(f"receipt {place} was changed: its hash does not fit the chain")
        previous = receipt.digest
    if previous != (ledger.get("receipts_head") or bytes(32)):
        problems.append("the log does not end with the receipt recorded as the last")
    return problems


def _journal(ledger: Ledger) -> list[str]:
    problems = []
    members, terms = ledger.members(), ledger.terms
    for client_id, upload in ledger.journal():
        member = members.get(client_id)
        if member is None or hashlib.sha256(upload).digest() != member.digest:
            problems.append(f"the journal's upload of client {client_id!r} is not the one merged")
            continue
        Upload.from_bytes(upload, terms)
    return problems


def _checksums(ledger: Ledger) -> list[str]:
    state = ServerState(ledger)
    found = state.checksums()
    expected = summed_checksums(state.members.values(), len(found))
    wrong = [name for (name, total), wanted in zip(found.items(), expected, strict=True) if total != wanted]
    return [f"the {name} is not the sum of its {counted(len(state.members), 'member')}" for name in wrong]
