"""The ServerApp as Flower's own engines load it: rounds over nodes that come and go, from and into a run's folder."""

import gc
import math
import time
from collections.abc import Callable, Iterable
from logging import getLogger
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.superlink.grid.inmemory_grid import InMemoryGrid

from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings, split
from fedsift.core.errors import BadInput, counted, legible
from fedsift.core.signing_key import public_key_of
from fedsift.federation.outcome import Outcome
from fedsift.federation.run_state import open_state, run_facts, scoring_of
from fedsift.learning.models import load_model, metric_of
from fedsift.protocol.client_rounds import last_line
from fedsift.protocol.loaded import Loaded
from fedsift.protocol.messages import PUBLIC_KEY
from fedsift.runs.older_ledger import owed_removals
from fedsift.runs.result import RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.node_grid import NodeGrid
from fedsift.simulations.flower.node_app import run_folder
from fedsift.strategies.sift_masks import SiftMasks

app = ServerApp()

_LOG = getLogger("flwr")


class _SiftMasks(SiftMasks):
    """Does something at the end of every round: a deployment may never come to the end of its last one."""

    after_round: Callable[[], None]

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        metrics = super().aggregate_evaluate(server_round, replies)
        self.after_round()
        return metrics


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run rounds as the run configuration says, from the ledger in the run's folder if there is one."""
    config, settings = split(context.run_config)
    if config.partial_sums:
        raise BadInput("partial-sums: clients' machines cannot merge for the server; leave it out")
    folder = _open(run_folder(settings.out, context.run_id), config)
    _LOG.info("fedsift: the run's folder is %s", folder.path.resolve())
    deployed = not isinstance(grid, InMemoryGrid)
    with folder.locked(leaving=None if deployed else ()):
        _rounds(grid, folder, config, settings, deployed)


def _open(path: Path, config: RunConfig) -> RunFolder:
    """The run's folder; a simulated client may have made its masks' folder in it already."""
    return RunFolder.open(path)[0] if (path / "config.toml").exists() else RunFolder.create(path, config)


def _rounds(grid: Grid, folder: RunFolder, config: RunConfig, settings: ServerSettings, deployed: bool) -> None:
    started = time.perf_counter()
    loaded = Loaded(load_model(config.model_settings.on_cpu())[0].base_digest())
    gc.collect()  # The server needs M0 for nothing else.
    key = folder.signing_key()
    state = open_state(config, folder.ledger, settings.capacity, loaded, key)
    if deployed:
        for client_id in sorted(owed_removals(state.ledger)):
            _LOG.warning("fedsift: %s left, and is a member again in an older ledger; it is asked", legible(client_id))
    nodes = NodeGrid(grid, settings)
    tied = settings.tie_nodes and deployed
    strategy = _SiftMasks(
        state,
        config.localisations,
        scoring_of(config),
        run_facts(config),
        nodes if tied else None,
        config.is_held_out,
    )

    def write() -> None:
        """Bring the folder up to date, and tell what the round did."""
        folder.write_certificates()
        if strategy.rounds[0].members:
            seconds = {"total": time.perf_counter() - started}
            metric = metric_of(config.model_settings)
            outcome = Outcome.of(state, strategy.rounds, state.ledger.fingerprints())
            folder.write_result(RunResult.of(config, metric, outcome, None, seconds))
        for earlier in strategy.rounds[1:-1]:
            earlier.scores.clear()  # Only those of the first and the last round are told: rounds may go on for years.
        record = strategy.rounds[-1]
        for client_id, why in record.failures.items():
            _LOG.warning("fedsift: %s: %s", legible(client_id), last_line(why))
        removals = ", ".join(f"{legible(each.client)} {each.verdict}" for each in record.receipts) or "none"
        members = counted(record.members, "member")
        _LOG.info("fedsift: %s, %d joined; removals: %s", members, len(record.joined), removals)
        _LOG.info("fedsift: state %s", record.state_digest)

    strategy.after_round = write
    try:
        strategy.start(
            nodes,
            ArrayRecord(),
            num_rounds=settings.rounds or (2 if config.anybody_leaves else 1),
            timeout=math.inf,
            train_config=ConfigRecord({"score": config.evaluate, PUBLIC_KEY: public_key_of(key) if deployed else ""}),
        )
    finally:
        state.ledger.close()
