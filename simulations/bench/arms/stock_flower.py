"""The arm "stock Flower": `run_simulation` with FedAvg, one round over all clients.

The best that Flower offers: the ClientApp lies in a module that workers import, so that model and data are loaded once
a worker; one worker a core, each on one thread; no logs and no evaluation; all tuned parameters in one array. What
travels is the task vector, as large as the weights: its mean plus the base model is FedAvg's mean of the weights.

Flower has no moment at which its workers are ready. So the ServerApp first queries nodes until every worker has
answered, for which it must have loaded model and data; the clock starts after that.
"""

import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from numpy.typing import NDArray

from fedsift.core.errors import counted
from fedsift.simulations.bench.arms.stock_flower_apps import CONFIG, WORKER, fine_tuning, ready_made
from fedsift.studies.bench.processes import ArmFailed, answer, set_worker_environment

_POLL = 0.05  # seconds between looks at whether all nodes have registered


def measure(
    user_config: UserConfig, clients: int, workers: int, profile: str, parameters: int, zero_steps: bool = False
) -> dict[str, Any]:
    """One round over all clients, from the base model.

    Args:
        user_config: the configuration, for the clients.
        clients: how many.
        workers: how many, of one core each.
        profile: of reproducibility, for the workers.
        parameters: n, how many float32 travel down to each client and up again.
        zero_steps: whether clients send a vector made beforehand instead of tuning.
    """
    app = ready_made if zero_steps else fine_tuning
    seconds, mean = simulate(app, user_config, clients, workers, profile, np.zeros(parameters, np.float32))
    return {"seconds": seconds, "norm": float(np.linalg.norm(mean.astype(np.float64)))}


def simulate(
    client_app: ClientApp, user_config: UserConfig, clients: int, workers: int, profile: str, start: NDArray[np.float32]
) -> tuple[float, NDArray[np.float32]]:
    """One round of FedAvg from a task vector of shape (n,); returns its seconds, and the clients' mean task vector."""
    set_worker_environment(profile)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    server_app = ServerApp()
    outcome: list[tuple[float, NDArray[np.float32]]] = []

    @server_app.main()
    def main(grid: Grid, _: Context) -> None:
        run = ConfigRecord({"run": json.dumps(user_config)})
        while len(nodes := list(grid.get_node_ids())) < clients:
            time.sleep(_POLL)
        _wait_for_workers(grid, nodes, workers, run)
        strategy = FedAvg(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=clients,
            min_available_nodes=clients,
            train_metrics_aggr_fn=_count,
        )
        started = time.perf_counter()
        result = strategy.start(grid, ArrayRecord([start]), num_rounds=1, timeout=float("inf"), train_config=run)
        seconds = time.perf_counter() - started
        if (answered := result.train_metrics_clientapp[1]["clients"]) != clients:
            raise ArmFailed(f"stock Flower: {answered} of {counted(clients, 'client')} answered")
        outcome.append((seconds, result.arrays.to_numpy_ndarrays()[0]))

    run_simulation(
        server_app,
        client_app,
        num_supernodes=clients,
        backend_config={"init_args": {"num_cpus": workers}, "client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    return outcome[0]


def _wait_for_workers(grid: Grid, nodes: Sequence[int], workers: int, run: ConfigRecord) -> None:
    """Query as many nodes as there are workers, until each of these has answered."""
    answered: set[Any] = set()
    while len(answered) < workers:
        queries = [Message(RecordDict({CONFIG: run}), node, "query") for node in nodes[:workers]]
        for reply in grid.send_and_receive(queries):
            if reply.has_error():
                raise ArmFailed(f"stock Flower: {reply.error.reason}")
            answered.add(reply.content.config_records[WORKER]["process"])


def _count(records: list[RecordDict], _: str) -> MetricRecord:
    """How many replies FedAvg takes; it is silent about those that failed."""
    return MetricRecord({"clients": len(records)})


if __name__ == "__main__":
    answer(measure)
