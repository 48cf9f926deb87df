"""`fedsift log-head` and `fedsift public-key`: what clients compare, and check it with."""

from pathlib import Path

from fedsift.core.certificate import certify, pin_key
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.receipt_log import ReceiptLog
from fedsift.core.signing_key import public_key_of
from fedsift.runs.ledger_folder import LedgerFolder


def signed_head(path: Path, since: int) -> str:
    """The content of a file with the head of a run's log, and the proof that it begins with its first receipts.

    Raises:
        BadInput: the log has fewer than `since` receipts; or as of `LedgerFolder.locked` and `signing_key`.
    """
    folder, _ = LedgerFolder.open(path)
    with folder.locked():
        key = folder.signing_key()
        with Ledger.open(folder.ledger) as ledger:
            pin_key(ledger, key)
            log = ReceiptLog.of(ledger)
    if since > len(log):
        raise BadInput(f"since = {since}: the log has {len(log)} receipts")
    return certify(log.head_since(since), key)


def public_key_of_run(path: Path) -> str:
    """The public key, 64 hexadecimal digits; from now on the run's ledger takes no other.

    Raises:
        BadInput: as of `LedgerFolder.locked` and `signing_key`.
    """
    folder, _ = LedgerFolder.open(path)
    with folder.locked():
        key = folder.signing_key()
        with Ledger.open(folder.ledger) as ledger:
            pin_key(ledger, key)
    return public_key_of(key)
