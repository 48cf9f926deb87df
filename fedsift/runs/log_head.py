"""`fedsift log-head` and `fedsift public-key`: what clients compare, and check it with."""

from pathlib import Path

from fedsift.core.certificate import certify
from fedsift.core.errors import BadInput, counted
from fedsift.core.ledger import Ledger
from fedsift.core.receipt_log import ReceiptLog
from fedsift.runs.ledger_folder import LedgerFolder


def signed_head(path: Path, since: int) -> str:
    """The content of a file with the head of a run's log, and the proof that it begins with its first receipts.

    Raises:
        BadInput: the log has fewer than `since` receipts; or as of `LedgerFolder.locked` and `signing_key`.
    """
    folder, _ = LedgerFolder.open(path)
    with folder.locked():
        key = folder.signing_key()
        with Ledger.open(folder.ledger, read_only=True) as ledger:
            log = ReceiptLog.of(ledger)
    if since > len(log):
        raise BadInput(f"since = {since}: the log has {counted(len(log), 'receipt')}")
    return certify(log.head_since(since), key)


def public_key_of_run(path: Path) -> str:
    """The public key (64 hexadecimal digits) that a run's ledger and certificates are signed with.

    Raises:
        BadInput: there is no such run, or nothing of it is signed.
    """
    folder, _ = LedgerFolder.open(path)
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        if not ledger.public_key:
            raise BadInput(f"{path}: its ledger is not signed")
        return ledger.public_key
