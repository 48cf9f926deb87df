"""`fedsift rekey`: tie a member to another node key."""

from pathlib import Path

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.ledger import Ledger
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runtime.credentials import digest_of_key_file


def rekey(path: Path, client_id: str, public_key: Path) -> None:
    """Tie a member to the node with a public key, in the ledger of a run that no ServerApp is at work on.

    Raises:
        BadInput: there is no such run, it is at work, the file is no public key, or the client is no member, or one
            that is tied to no node; who is no member is tied to its node when it joins.
    """
    folder, _ = LedgerFolder.open(path)
    key = digest_of_key_file(public_key)
    with folder.locked(), Ledger.open(folder.ledger, key=folder.signing_key()) as ledger:
        members = ledger.members()
        if client_id not in members:
            raise unknown_name("member", client_id, members)
        if not ledger.node_key(client_id):
            raise BadInput(f"client {client_id!r} is tied to no node: it joined in a simulation, or with tie-nodes off")
        with ledger.transaction():
            ledger.set_node_key(client_id, key)
