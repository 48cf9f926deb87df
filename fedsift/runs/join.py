"""`fedsift join`: merge further clients of the data into a run, or clients that left before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsift.core.errors import Refused
from fedsift.data.loading import load_dataset
from fedsift.runs.federate import merge, places
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars


@dataclass(frozen=True)
class Joined:
    """Clients that joined a run."""

    joined: list[str]  # their ids
    failures: dict[str, str]  # of those who did not: why, by id
    state_digest: str  # of the state now, in hexadecimal
    members: int  # how many there are now


def join(path: Path, client_ids: Sequence[str], bars: PhaseBars) -> Joined:
    """Let clients train and join a run as new members.

    Raises:
        Refused: one of them is a member already; nothing is changed.
    """
    folder, config = RunFolder.open(path)
    with folder.locked():
        members = folder.members()
        for client_id in client_ids:
            if client_id in members:
                raise Refused(f"client {client_id!r} is a member already; nothing was changed")
        chosen = places(load_dataset(config).client_ids, dict.fromkeys(client_ids))
        folder.bring_up_to_date()
        folder.rounds.unlink(missing_ok=True)
        outcome = merge(config, chosen, bars, folder.ledger, folder.masks(), returning=True, key=folder.signing_key())
        record = outcome.rounds[0]
        folder.bring_up_to_date()
    return Joined(sorted(record.joined), record.failures, outcome.state_digest, len(outcome.member_digests))
