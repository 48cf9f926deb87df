"""The dear way to remove a client whose rerun does not match: all remaining members train again."""

import dataclasses
from collections.abc import Callable, Sequence

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import FedsiftError, counted
from fedsift.core.ledger import Ledger
from fedsift.core.plain_files import PARTIAL
from fedsift.core.receipt import ReceiptBody, Verdict
from fedsift.core.server_state import ServerState
from fedsift.federation.run_state import run_facts
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.federate import merge, places
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars

_REASON = "all remaining members trained again"


def rebuild_without(
    folder: RunFolder,
    config: RunConfig,
    dataset_ids: Sequence[str],
    leavers: tuple[str, ...],
    bars: PhaseBars,
    tell: Callable[[str], None],
) -> list[ReceiptBody]:
    """What a ledger made of the remaining members' reruns holds takes the old one's place in one step, or nothing does.

    Args:
        folder: the run, locked.
        config: of the run.
        dataset_ids: all clients that the data have now.
        leavers: members whose own rerun was refused; what their receipts say is returned.
        bars: progress.
        tell: gets the price before anything starts.

    Raises:
        FedsiftError: a member could not train again; nothing is changed.
    """
    key = folder.signing_key()
    old = Ledger.open(folder.ledger, key=key)
    state = ServerState(old)
    before, digest_before = dict(state.members), state.digest().hex()
    remaining = [client_id for client_id in before if client_id not in leavers]
    tell(
        f"rebuild: {counted(len(remaining), 'member trains', 'members train')} again, "
        f"{counted(sum(before[each].steps for each in remaining), 'step')} "
        f"instead of {sum(before[each].steps for each in leavers):,}"
    )
    number = len(old.receipts()) + 1
    new_ledger, new_masks = folder.path / f"ledger-new{PARTIAL}", folder.masks_of_rebuild(number)
    model_digest = old.get("model_digest", b"")
    terms, capacity = old.terms, old.get("capacity")
    ServerState.create(new_ledger, terms, capacity, old.get("config"), model_digest, key).ledger.close()
    bars.prefix = "rebuild "
    failures = merge(config, places(dataset_ids, remaining), bars, new_ledger, new_masks, key=key).rounds[0].failures
    if failures:
        client_id, why = next(iter(failures.items()))
        old.close()
        new_ledger.unlink()
        raise FedsiftError(
            f"the rebuild failed and nothing was changed: {counted(len(failures), 'member')} could not train again, "
            f"the first is {client_id!r}: {last_line(why)}"
        )
    new = Ledger.open(new_ledger, key=key)
    rebuilt = ServerState(new)
    receipts = []
    with new.transaction():
        new.copy_receipts(old)
        new.set("mask_folder", number)
        if publications := old.get("publications"):
            new.set("publications", publications)
        states = digest_before, rebuilt.digest().hex()
        steps = sum(rebuilt.members[each].steps for each in remaining)
        matching = sum(rebuilt.members[each].digest == before[each].digest for each in remaining)
        for client_id in leavers:
            body = rebuilt.receipt_body(
                client_id, Verdict.REBUILT, _REASON, before[client_id].digest, steps, states, run_facts(config)
            )
            body = dataclasses.replace(body, members_retrained=len(remaining), members_matching=matching)
            receipts.append(new.append_receipt(body).body)
    old.become(new)
    new.close()
    old.close()
    new_ledger.unlink()
    return receipts
