"""`fedsift forget`: remove members from a run. Only they train again; a rebuild lets all others do so instead."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import Refused
from fedsift.core.ledger import Ledger
from fedsift.core.member import Member
from fedsift.core.receipt import ReceiptBody
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.federation.run_state import run_facts
from fedsift.runs.federate import federate, merging, places, workers
from fedsift.runs.rebuild import rebuild_without
from fedsift.runs.result import Removal
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars


@dataclass(frozen=True)
class Forgotten:
    """What `fedsift forget` did."""

    removals: list[Removal]  # a removal for each receipt; a rebuild adds a second one for a client
    state_digest: str  # of the state now
    members: int  # now
    seconds: dict[str, float]  # by phase
    late: list[str]  # what else belongs to the removals and could not be done yet

    @classmethod
    def of(cls, folder: RunFolder, receipts: Sequence[ReceiptBody], bars: PhaseBars, late: Sequence[str]) -> Self:
        """Let all files follow the ledger after these receipts, and say what there is then."""
        still_late = [*late, *folder.catch_up()]
        members, state_digest = _members(folder)
        return cls(
            removals=[Removal.of(body) for body in receipts],
            state_digest=state_digest,
            members=len(members),
            seconds={phase: round(value, 3) for phase, value in bars.seconds.items()},
            late=still_late,
        )

    @property
    def refused(self) -> list[str]:
        """Clients whose last verdict is a refusal."""
        last = {each.client: each.verdict for each in self.removals}
        return [client for client, verdict in last.items() if client is not None and not verdict.done]


def forget(
    path: Path, client_ids: Sequence[str], rebuild: bool, bars: PhaseBars, tell: Callable[[str], None]
) -> Forgotten:
    """Remove members from a run, as one batch that publishes one state.

    With `rebuild`, all others train again for those whose rerun does not match; `tell` gets the price before it starts.

    Raises:
        Refused: one of them is not a member; nothing is changed.
    """
    folder, config = RunFolder.open(path)
    with folder.locked(leaving=client_ids):
        folder.bring_up_to_date()
        members, _ = _members(folder)
        leavers = tuple(dict.fromkeys(client_ids))
        for client_id in leavers:
            if client_id not in members:
                raise Refused(f"{folder.why_no_member(client_id)} (nothing was changed)")
        key, late = folder.signing_key(), list[str]()
        dataset_ids = load_dataset(config).client_ids
        known = set(dataset_ids)
        gone = [client_id for client_id in leavers if client_id not in known]
        chosen = places(dataset_ids, [client_id for client_id in leavers if client_id not in gone])
        folder.rounds.unlink(missing_ok=True)
        receipts = _refuse_gone(folder, config, gone)
        if chosen:
            # On a cluster all workers start: each is to rerun where its member was merged, and the machines may differ.
            clients = len(members) if config.ray_address else len(chosen)
            with removals_stand(folder, len(chosen)) as (removed, late), workers(clients, config, bars) as pool:
                leaving = merging(config, leavers=chosen)
                federate(pool, leaving, chosen, bars, folder.ledger, folder.masks(), rounds=1, key=key)
            receipts += removed
        refused = tuple(body.client for body in receipts if not body.verdict.done)
        if refused and rebuild:
            receipts += rebuild_without(folder, config, dataset_ids, refused, bars, tell)
        return Forgotten.of(folder, receipts, bars, late)


@contextmanager
def removals_stand(folder: RunFolder, leavers: int) -> Iterator[tuple[list[ReceiptBody], list[str]]]:
    """Whatever ends the round of these leavers after its removals: the receipts that they have by then are the answer.

    Yields:
        The receipts that the block wrote, and what went wrong once all had theirs; both are filled as it ends.
    """
    before, written, late = len(folder.receipts()), list[ReceiptBody](), list[str]()
    try:
        yield written, late
    except Exception as error:
        written += folder.receipts()[before:]
        if len(written) < leavers:
            raise
        late.append(f"the end of the round failed ({error})")
    else:
        written += folder.receipts()[before:]


def _refuse_gone(folder: RunFolder, config: RunConfig, client_ids: Sequence[str]) -> list[ReceiptBody]:
    """Refuse those who have no data to train on again."""
    if not client_ids:
        return []
    state = ServerState(Ledger.open(folder.ledger, key=folder.signing_key()))
    reason = "its data are gone, so it cannot train again; --rebuild lets all others do so instead"
    with state.ledger:
        return [state.refuse(client_id, reason, run_facts(config)).body for client_id in client_ids]


def _members(folder: RunFolder) -> tuple[dict[str, Member], str]:
    """Who is a member, and the state's digest."""
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        state = ServerState(ledger)
        return dict(state.members), state.digest().hex()
