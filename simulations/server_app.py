"""The ServerApp: rounds of SIFT-Masks over any Grid, from a configuration alone."""

import dataclasses
import json
import math
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp

from fedsift.contribution import UploadTerms
from fedsift.models import load_layout
from fedsift.server_state import ServerState
from simulations.configuration import RunConfig
from strategies.sift_masks import SiftMasks

app = ServerApp()


def localisations(config: RunConfig) -> tuple[str, str]:
    """What members score: the published localisation, and the configured one (which may be the same)."""
    return "paper", config.localise


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Merge everybody, evaluate; then, if somebody asks to leave, remove and evaluate again.

    Leaves in `context.state["outcome"]` a JSON text: the rounds' records, the number of tuned parameters, and the final
    state digest.
    """
    config = RunConfig.from_user_config(context.run_config)
    layout = load_layout(config.model)
    terms = UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid)
    state = ServerState(terms, capacity=len(list(grid.get_node_ids())))
    strategy = SiftMasks(state, localisations(config), config.evaluate)
    strategy.start(
        grid,
        ArrayRecord(),
        num_rounds=2 if config.leave else 1,
        timeout=math.inf,
        train_config=ConfigRecord({"score": config.evaluate}),
    )
    outcome: dict[str, Any] = {
        "tuned_parameters": layout.size,
        "server_bytes": state.sums.nbytes,
        "state_digest": state.digest().hex(),
        "rounds": [dataclasses.asdict(record) for record in strategy.rounds],
    }
    context.state["outcome"] = ConfigRecord({"json": json.dumps(outcome)})
