"""The ServerApp: rounds of SIFT-Masks over any Grid, from a configuration and a ledger."""

import dataclasses
import json
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.federation.round_log import LoggedRounds, RoundLog
from fedsift.learning.models import load_layout
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.runtime.ray_grid import RayGrid
from fedsift.strategies.sift_masks import SiftMasks

app = ServerApp()

_SOFTWARE = f"fedsift {version('fedsift')}"


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run as many rounds as the node configuration says under "rounds": one to merge, a second one for those who leave.

    The state is in the file that the node configuration names as "ledger", which is made if there is none; without
    that key, in memory. Rounds that are over stand in the file named as "rounds-file", and so will those that follow.
    Its "model-digest", in hexadecimal, is that of the M0 that all clients are to have. Leaves in
    `context.state["outcome"]` a JSON text: the rounds' records, all receipts, the number of tuned parameters, and the
    final state's digest and members.
    """
    config = RunConfig.from_user_config(context.run_config)
    ledger = str(context.node_config.get("ledger", ""))
    capacity = max(1, len(list(grid.get_node_ids())))
    model_digest = bytes.fromhex(str(context.node_config.get("model-digest", "")))
    state = open_state(config, Path(ledger) if ledger else None, capacity, model_digest)
    if config.partial_sums:
        merge_in_workers(grid, state)
    localisations, context_of_receipts = ("paper", config.localise), receipt_context(config)
    earlier_receipts = 0
    if rounds_file := str(context.node_config.get("rounds-file", "")):
        log = RoundLog.read(Path(rounds_file))
        earlier_receipts = log.earlier_receipts
        strategy: SiftMasks = LoggedRounds(state, localisations, config.evaluate, context_of_receipts, log)
    else:
        strategy = SiftMasks(state, localisations, config.evaluate, context_of_receipts)
    strategy.start(
        grid,
        ArrayRecord(),
        num_rounds=int(context.node_config.get("rounds", 1)),
        timeout=math.inf,
        train_config=ConfigRecord({"score": config.evaluate}),
    )
    outcome = outcome_of(state, strategy, earlier_receipts)
    state.ledger.close()
    context.state["outcome"] = ConfigRecord({"json": json.dumps(outcome)})


def outcome_of(state: ServerState, strategy: SiftMasks, earlier_receipts: int = 0) -> dict[str, Any]:
    """What a run came to: the rounds' records, all receipts, and the state's digest, size, and members' digests.

    Args:
        state: after the rounds.
        strategy: that played them.
        earlier_receipts: how many of the receipts are of before the first round.
    """
    return {
        "tuned_parameters": state.terms.size,
        "server_bytes": state.sums.nbytes,
        "state_digest": state.digest().hex(),
        "member_digests": {client_id: member.digest.hex() for client_id, member in state.members.items()},
        "data_digests": {client_id: member.data_digest.hex() for client_id, member in state.members.items()},
        "earlier_receipts": earlier_receipts,
        "receipts": [json.loads(receipt.body) for receipt in state.ledger.receipts()],
        "rounds": [dataclasses.asdict(record) for record in strategy.rounds],
    }


def merge_in_workers(grid: Grid, state: ServerState) -> None:
    """Let the workers of a grid merge what their clients upload.

    Raises:
        BadInput: the grid's workers are not the server's own.
    """
    if not isinstance(grid, RayGrid):
        raise BadInput(
            "partial-sums: clients' machines cannot merge for the server; only `fedsift run` and the like can"
        )
    grid.partial_merge = PartialMerge(state.terms, state.ledger.checksum_secret)


def receipt_context(config: RunConfig) -> dict[str, str | int]:
    """What every receipt tells of the run: what a rerun needs, and how far its bits carry."""
    return {"profile": config.profile, "root_seed": config.seed, "software": _SOFTWARE}


def open_state(config: RunConfig, ledger: Path | None, capacity: int, model_digest: bytes = b"") -> ServerState:
    """The state in a ledger, made new where there is none.

    Args:
        config: which model is tuned how.
        ledger: the file; in memory for None.
        capacity: of a new one.
        model_digest: of M0, which all clients are to have; empty where nobody checks it.

    Raises:
        BadInput: the ledger was made with another configuration, or another M0.
    """
    if ledger is not None and ledger.exists():
        opened = Ledger.open(ledger)
        changed = config.changed_terms(json.loads(opened.get("config")))
        if changed:
            opened.close()
            raise BadInput(f"{ledger} was made with other values: put back {', '.join(changed)}")
        if model_digest and opened.get("model_digest", b"") not in (b"", model_digest):
            opened.close()
            raise BadInput(
                f"the weights of model {config.model} changed since {ledger} was made: put the old ones back"
            )
        return ServerState(opened)
    layout = load_layout(config.model_settings)
    terms = UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid)
    return ServerState.create(ledger, terms, capacity, json.dumps(config.to_user_config()), model_digest)
