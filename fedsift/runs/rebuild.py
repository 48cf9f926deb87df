"""The dear way to remove a client whose rerun does not match: all remaining members train again."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import FedsiftError
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState, commitment
from fedsift.federation.server_app import receipt_context
from fedsift.runs.federate import federate, places
from fedsift.runs.result import last_line
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session


def rebuild_without(
    folder: RunFolder,
    config: RunConfig,
    dataset_ids: Sequence[str],
    leavers: tuple[str, ...],
    bars: PhaseBars,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A ledger made of the remaining members' reruns takes the old one's place in one step, or nothing changes.

    Args:
        folder: the run, locked.
        config: its configuration.
        dataset_ids: all clients that the data have now.
        leavers: members whose own rerun was refused.
        bars: progress.
        tell: is told the price before anything starts.

    Returns:
        The bodies of the leavers' receipts.

    Raises:
        FedsiftError: a member could not train again; nothing is changed.
    """
    old = Ledger.open(folder.ledger)
    state = ServerState(old)
    before, digest_before = dict(state.members), state.digest().hex()
    remaining = [client_id for client_id in before if client_id not in leavers]
    tell(
        f"rebuild: {len(remaining)} members train again, {sum(before[each].steps for each in remaining):,} steps "
        f"instead of {sum(before[each].steps for each in leavers):,}"
    )
    number = len(old.receipts()) + 1
    new_ledger, new_masks = folder.path / f"ledger-{number}.partial", folder.path / f"masks-{number}"
    new_masks.mkdir(exist_ok=True)
    model_digest = old.get("model_digest", b"")
    ServerState.create(new_ledger, old.terms, old.get("capacity"), old.get("config"), model_digest).ledger.close()
    bars.prefix = "rebuild "
    with bars, ray_session(len(remaining), config) as pool:
        alone = dataclasses.replace(config.leaving(), evaluate=False)
        outcome = federate(pool, alone, places(dataset_ids, remaining), bars, new_ledger, new_masks)
        bars.finish()
    failures = outcome["rounds"][0]["failures"]
    if failures:
        client_id, why = next(iter(failures.items()))
        old.close()
        new_ledger.unlink()
        raise FedsiftError(
            f"the rebuild failed and nothing was changed: {len(failures)} members could not train again, "
            f"the first is {client_id!r}: {last_line(why)}"
        )
    new = Ledger.open(new_ledger)
    rebuilt = ServerState(new)
    receipts = []
    with new.transaction():
        new.copy_receipts(old)
        if public_key := old.get("public_key"):
            new.set("public_key", public_key)
        new.set("mask_folder", new_masks.name)
        for client_id in leavers:
            receipt = new.append_receipt(
                {
                    "client": client_id,
                    "verdict": "REBUILT",
                    "reason": "all remaining members trained again",
                    "commitment": commitment(before[client_id].digest),
                    "steps_retrained": sum(rebuilt.members[each].steps for each in remaining),
                    "members_retrained": len(remaining),
                    "members_matching": sum(rebuilt.members[each].digest == before[each].digest for each in remaining),
                    **rebuilt.receipt_state(digest_before, rebuilt.digest().hex()),
                    **receipt_context(config),
                }
            )
            receipts.append(json.loads(receipt.body))
    new.scrub()
    new.close()
    old.close()
    new_ledger.replace(folder.ledger)
    return receipts
