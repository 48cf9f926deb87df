"""An audit of a ledger without any retraining: every stored bit is held against something else that is stored."""

import hashlib
import json
from dataclasses import dataclass

from fedsift.core.errors import FedsiftError
from fedsift.core.ledger import Ledger
from fedsift.core.member import summed_checksums
from fedsift.core.receipt import receipt_digest
from fedsift.core.server_state import ServerState, seal
from fedsift.core.upload import Upload


@dataclass(frozen=True)
class Finding:
    """One check and what it found wrong; an empty list is a pass."""

    check: str
    problems: list[str]


def audit(ledger: Ledger) -> list[Finding]:
    """Run all checks that apply; a damaged ledger stops at the check that it fails.

    1. structure   SQLite's own integrity check.
    2. receipts    each hashes to its digest and holds the digest of the one before; the last is the recorded head.
    3. journal     each upload is valid and has the digest of its member.
    4. checksums   that of each sum is the sum of the members' checksums, mod 2^64.
    5. seal        state digest and members' rows are those recorded when the sums were last written.
    """
    findings = [Finding("structure", ledger.structure_errors()), Finding("receipts", _receipts(ledger))]
    try:
        findings.append(Finding("journal", _journal(ledger)))
        checksums = Finding("checksums", _checksums(ServerState(ledger)))
    except FedsiftError as error:
        return [*findings, Finding("sums", [str(error)])]
    return [*findings, checksums, Finding("seal", _seal(ledger))]


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


def _checksums(state: ServerState) -> list[str]:
    found = state.checksums()
    expected = summed_checksums(state.members.values(), len(found))
    wrong = [name for (name, total), wanted in zip(found.items(), expected, strict=True) if total != wanted]
    return [f"the {name} is not the sum of its {len(state.members)} members" for name in wrong]


def _seal(ledger: Ledger) -> list[str]:
    """The seal was made of the folded state: without what lies in the journal since."""
    recorded = json.loads(ledger.get("seal", "null"))
    if recorded is None:
        return ["it is missing"]
    state = ServerState(ledger)
    for client_id, upload in ledger.journal():
        state.sums.subtract(Upload.from_bytes(upload, state.terms))
        state.members.pop(client_id, None)
    found = seal(state.digest(), state.members)
    wrong = [name for name in recorded if found[name] != recorded[name]]
    return [f"{name.replace('_', ' ')} is {found[name]}, recorded was {recorded[name]}" for name in wrong]
