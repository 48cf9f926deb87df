"""`fedsift forget RUN CLIENT --rows`: a member has some of its rows forgotten, and stays.

It trains twice: with these rows, which must come to what was merged, and is subtracted; and without them, which is
added. One transaction does both, and one receipt says so.
"""

import dataclasses
import re
from pathlib import Path

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, Refused
from fedsift.core.examples import shown
from fedsift.core.forgotten_rows import row_digest
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.loading import load_dataset
from fedsift.runs.federate import federate, merging, places, workers
from fedsift.runs.forget import Forgotten, removals_stand
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars

_NUMBERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def forget_rows(path: Path, client_id: str, rows: str, bars: PhaseBars) -> Forgotten:
    """Have rows of a member forgotten, and all rows of it with the same content.

    Args:
        path: the run's folder.
        client_id: the member.
        rows: a table with the columns of the run's data; or numbers, as 1,4-6, of the rows that it tunes on.
        bars: progress.

    Raises:
        BadInput: one of them is no row of the client, or none would be left to tune on.
        Refused: it is no member; nothing is changed.
    """
    folder, config = RunFolder.open(path)
    with folder.locked():
        folder.bring_up_to_date()
        if client_id not in folder.members():
            raise Refused(f"{folder.why_no_member(client_id)} (nothing was changed)")
        key = folder.signing_key()
        dataset = load_dataset(config)
        asked = frozenset(map(row_digest, _named(config, dataset, client_id, rows)))
        if all(row_digest(row) in asked for row in dataset.train_examples(client_id)):
            raise BadInput(f"these are all rows that client {client_id!r} tunes on: let it leave, without --rows")
        folder.rounds.unlink(missing_ok=True)
        without = dataclasses.replace(config, forgotten_rows=folder.row_requests.begin(client_id, asked))
        chosen = places(dataset.client_ids, [client_id])
        clients = len(folder.members()) if config.ray_address else 1
        with removals_stand(folder, 1) as (receipts, late), workers(clients, without, bars) as pool:
            leaving = merging(without, leavers=chosen)
            federate(pool, leaving, chosen, bars, folder.ledger, folder.masks(), rounds=1, key=key, stays=True)
        return Forgotten.of(folder, receipts, bars, late)


def _named(config: RunConfig, dataset: FederatedDataset, client_id: str, rows: str) -> list[object]:
    """The rows that are to be forgotten."""
    own = dataset.train_examples(client_id)
    if _NUMBERS.fullmatch(rows):
        ranges = [[int(end) for end in each.split("-")] for each in rows.split(",")]
        numbers = [number for each in ranges for number in range(each[0], each[-1] + 1)]
        for number in numbers:
            if not 1 <= number <= len(own):
                raise BadInput(f"rows {rows}: client {client_id!r} tunes on rows 1 to {len(own)}; there is no {number}")
        return [own[number - 1] for number in numbers]
    if not Path(rows).is_file():
        raise BadInput(f"rows {rows}: there is no such file; give a table, or numbers as 1,4-6")
    if not config.client_column:
        raise BadInput(f"rows {rows}: dataset {config.dataset} is no table with clients; give numbers, as 1,4-6")
    whole = dataclasses.replace(
        config, dataset=rows, data_file="", test_share=0.0, group_column="", clients=0, newcomers=0.0, forgotten_rows=""
    )
    named = load_dataset(whole)
    if others := [each for each in named.client_ids if each != client_id]:
        raise BadInput(f"rows {rows}: they are to be of client {client_id!r} alone, and some are of {others[0]!r}")
    found = list(named.train_examples(client_id))
    known = {row_digest(row) for part in (own, dataset.test_examples(client_id)) for row in part}
    for number, row in enumerate(found, start=1):
        if row_digest(row) not in known:
            raise BadInput(f"rows {rows}: row {number}, {shown(row)}, is none of client {client_id!r}'s")
    return found
