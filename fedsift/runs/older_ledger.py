"""A ledger that is older than its certificates: a backup was put back, and who had left is a member again."""

import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from fedsift.core.errors import BadInput, counted
from fedsift.core.ledger import Ledger
from fedsift.core.receipt import ReceiptBody, Verdict, canonical
from fedsift.core.receipt_log import ReceiptLog
from fedsift.core.strict_json import Misfit, parse_json, typed
from fedsift.runs.certificates import Certificates

_OWED = "owed"  # the setting: clients that are to be removed before anything else is done
_NOBODY = "[]"


def take_up(ledger: Ledger, run: Path, certificates: Certificates, leaving: Collection[str] | None) -> None:
    """Let the log of a ledger go on from the newest certificate; who left by a receipt that it lost is to be removed.

    As long as such a client is a member, nothing is done but to remove it.

    Args:
        ledger: open for writing.
        run: the run's folder.
        certificates: those of the run.
        leaving: who is to be removed now; None where the clients themselves are asked.

    Raises:
        BadInput: a client is to be removed and is not among `leaving`; or the newest certificate is of another log.
    """
    log = ReceiptLog.of(ledger)
    lost = _lost(log, certificates, ledger.public_key, max(certificates.numbers(), default=0))
    for body in lost:
        if body.verdict is Verdict.ROWS_BIT_EXACT:
            raise BadInput(
                f"the ledger ends with receipt {len(log)}, and receipt {body.number} is certified, by which client "
                f"{body.client!r} had rows forgotten: put back a ledger that has it, since this one has them again"
            )
    owed = owed_removals(ledger, lost)
    if leaving is not None and (missing := sorted(owed.difference(leaving))):
        raise BadInput(f"{_told(log, lost, owed)}: fedsift forget {shlex.join([str(run), '--', *missing])}")
    if lost:
        with ledger.transaction():
            for body in lost:
                ledger.append_receipt(body)
            ledger.set(_OWED, canonical(sorted(owed)))
    settle(ledger)


def owed_removals(ledger: Ledger, lost: Collection[ReceiptBody] = ()) -> set[str]:
    """Members whose removal is certified, by receipts that the ledger lost now or before.

    Raises:
        BadInput: the ledger is damaged.
    """
    try:
        named = typed(parse_json(ledger.get(_OWED, _NOBODY)), list[str], _OWED)
    except (ValueError, TypeError, Misfit) as error:
        raise BadInput(f"the ledger is damaged: the removals that it owes cannot be read ({error})") from error
    return {*named, *(body.client for body in lost if body.verdict.removed)} & ledger.members().keys()


def settle(ledger: Ledger) -> None:
    """Note that those who were to be removed are, as far as they are: they may join again."""
    if (owed := canonical(sorted(owed_removals(ledger)))) != ledger.get(_OWED, _NOBODY):
        with ledger.transaction():
            ledger.set(_OWED, owed)


def certificate_problems(ledger: Ledger, certificates: Certificates, newest: int) -> Iterator[str]:
    """What is wrong with the certificates up to a number, beside a ledger that is not changed."""
    try:
        log, key = ReceiptLog.of(ledger), ledger.public_key
        for number in certificates.numbers():
            if number <= min(newest, len(log)):
                signed, said = certificates.read(number)
                problems = signed.problems(key) or signed.problems_beside(log)
                if problems or said != log.certificate(number):
                    yield f"certificate {number}: {problems[0] if problems else 'it is another one'}"
        lost = _lost(log, certificates, key, newest) if newest > len(log) else []
        if lost or owed_removals(ledger):
            yield _told(log, lost, owed_removals(ledger, lost))
    except BadInput as error:
        yield str(error)


def _lost(log: ReceiptLog, certificates: Certificates, key: str, newest: int) -> list[ReceiptBody]:
    """What is certified up to a number and is not in the log.

    Raises:
        BadInput: the newest certificate is not signed with the key, or is of another log.
    """
    if not newest:
        return []
    lost = [certificates.read(number)[1].receipt for number in range(len(log) + 1, newest + 1)]
    signed, _ = certificates.read(newest)
    whole = ReceiptLog(log.id, [*log.texts, *(body.text for body in lost)])  # Its root vouches for all before it.
    if problems := [*signed.problems(key), *signed.problems_beside(whole)]:
        told = f"certificate {certificates.file(newest)}: {problems[0]}"
        raise BadInput(f"{told}: put back the ledger that it is of, or take it away")
    return lost


def _told(log: ReceiptLog, lost: Collection[ReceiptBody], owed: Collection[str]) -> str:
    older = f"the ledger ends with receipt {len(log)}, and receipt {len(log) + len(lost)} is certified: it is older. "
    members = counted(
        len(owed),
        "client whose removal is certified is a member again; remove it",
        "clients whose removal is certified are members again; remove them",
    )
    return f"{older if lost else ''}{members} first"
