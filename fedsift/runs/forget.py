"""`fedsift forget`: remove members from a run. Only they train again; a rebuild lets all others do so instead."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import Refused, unknown_name
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.federation.server_app import receipt_context
from fedsift.runs.federate import federate, places
from fedsift.runs.rebuild import rebuild_without
from fedsift.runs.result import removal_entry
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session


def forget(
    path: Path, client_ids: Sequence[str], rebuild: bool, bars: PhaseBars, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Remove clients from a run, as one batch that publishes one state.

    Args:
        path: the run's folder.
        client_ids: members of the run.
        rebuild: for those whose rerun does not match: let all remaining members train again.
        bars: progress.
        tell: is told the price of a rebuild before it starts.

    Returns:
        `removals` as in result.json, `state_digest`, `members`, and the phases' `seconds`.

    Raises:
        Refused: one of them is not a member; nothing is changed.
    """
    folder, config = RunFolder.open_run(path)
    with folder.locked():
        return _forget(folder, config, client_ids, rebuild, bars, tell)


def _forget(
    folder: RunFolder,
    config: RunConfig,
    client_ids: Sequence[str],
    rebuild: bool,
    bars: PhaseBars,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    folder.bring_up_to_date()
    members, _ = _members(folder)
    leavers = tuple(dict.fromkeys(client_ids))
    for client_id in leavers:
        if client_id not in members:
            raise Refused(f"{_no_member(folder, client_id, members)} (nothing was changed)")
    folder.signing_key()
    dataset_ids = load_dataset(config).client_ids
    known = set(dataset_ids)
    gone = [client_id for client_id in leavers if client_id not in known]
    chosen = places(dataset_ids, [client_id for client_id in leavers if client_id not in gone])
    folder.rounds.unlink(missing_ok=True)
    receipts = _refuse_gone(folder, config, gone)
    if chosen:
        resolved = dataclasses.replace(config.leaving(*chosen), evaluate=False)
        # On a cluster all workers start: each is to rerun where its member was merged, and the machines may differ.
        clients = len(members) if config.ray_address else len(chosen)
        with bars, ray_session(clients, config) as pool:
            outcome = federate(pool, resolved, chosen, bars, folder.ledger, folder.masks(), rounds=1)
            bars.finish()
        receipts += outcome["rounds"][0]["receipts"]
    refused = tuple(receipt["client"] for receipt in receipts if receipt["verdict"] == "REFUSED")
    if refused and rebuild:
        receipts += rebuild_without(folder, config, dataset_ids, refused, bars, tell)
    folder.bring_up_to_date()
    members, state_digest = _members(folder)
    return {
        "removals": [removal_entry(receipt) for receipt in receipts],
        "state_digest": state_digest,
        "members": len(members),
        "seconds": {phase: round(value, 3) for phase, value in bars.seconds.items()},
    }


def _no_member(folder: RunFolder, client_id: str, members: Iterable[str]) -> str:
    """Why an id is no member's. Of a client that has left, no other is named: it is not to leave in its place."""
    ledger = Ledger.open(folder.ledger)
    bodies = [json.loads(receipt.body) for receipt in ledger.receipts()]
    ledger.close()
    for body in reversed(bodies):
        if body["client"] == client_id and body["verdict"] != "REFUSED":
            return f"client {client_id!r} has left already, by receipt {body['number']}"
    return str(unknown_name("member", client_id, members))


def _refuse_gone(folder: RunFolder, config: RunConfig, client_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Refuse those who have no data to train on again."""
    if not client_ids:
        return []
    state = ServerState(Ledger.open(folder.ledger))
    reason = "its data are gone, so it cannot train again; --rebuild lets all others do so instead"
    receipts = [json.loads(state.refuse(client_id, reason, receipt_context(config)).body) for client_id in client_ids]
    state.ledger.close()
    return receipts


def _members(folder: RunFolder) -> tuple[dict[str, Any], str]:
    ledger = Ledger.open(folder.ledger)
    state = ServerState(ledger)
    members, digest = dict(state.members), state.digest().hex()
    ledger.close()
    return members, digest
