"""`fedsift run`: the simulation, its removals, and the oracle in which the leavers never were."""

import dataclasses
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from flwr.app import Context, Message, RecordDict

from fedsift.causal_lm import CausalLanguageModelling
from fedsift.errors import BadInput, FedsiftError
from fedsift.models import load_model
from simulations import server_app
from simulations.configuration import RunConfig, write_toml
from simulations.data import choose_clients, choose_leavers, load_dataset
from simulations.output_folder import output_folder
from simulations.progress import PhaseBars
from simulations.ray_grid import RayGrid, WorkerPool, node_configs
from simulations.result import run_result
from simulations.worker import CLIENT_INPUT_ERROR

CLIENT_APP = "simulations.client_app:app"


class ClientCrashed(FedsiftError):
    """A client's code raised something that is no message for people; its traceback is the message."""

    exit_code = 1


def run(config: RunConfig, out: Path, bars: PhaseBars) -> dict[str, Any]:
    """Simulate, and write config.toml, result.json and the members' masks to `out`.

    Returns:
        What result.json holds.

    Raises:
        BadInput: something is wrong with the configuration, the data, the model or the folder; nothing is written.
    """
    started = time.perf_counter()
    dataset = load_dataset(config)
    clients = choose_clients(config, dataset)
    leavers = choose_leavers(config, clients)
    position = {client_id: index for index, client_id in enumerate(clients)}
    _check_first_client(config, dataset.examples(clients[0]))
    with output_folder(out) as folder:
        masks = folder / "masks"
        masks.mkdir()
        with ray_session(config.worker_count) as pool:
            environments = pool.environments()
            resolved = dataclasses.replace(config, leave=leavers)
            outcome = federate(pool, resolved, [position[each] for each in clients], masks, bars)
            oracle = None
            if config.oracle:
                bars.prefix = "oracle "
                gone = set(leavers)
                remaining = [position[each] for each in clients if each not in gone]
                never_joined = dataclasses.replace(config, leave=(), evaluate=False)
                oracle = federate(pool, never_joined, remaining, None, bars)
            bars.finish()
        seconds = {**bars.seconds, "total": time.perf_counter() - started}
        result = run_result(config, outcome, oracle, environments, seconds)
        (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        write_toml(config, folder / "config.toml")
    return result


def federate(
    pool: WorkerPool, config: RunConfig, positions: Sequence[int], masks: Path | None, bars: PhaseBars | None = None
) -> dict[str, Any]:
    """One run of the ServerApp over the clients at these positions of the data set; returns its outcome."""
    user_config = config.to_user_config()
    extra = {"mask-folder": str(masks.resolve())} if masks is not None else {}
    nodes = node_configs(positions, len(positions), extra)
    grid = RayGrid(pool, nodes, user_config, bars, _raise_client_error)
    context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=dict(user_config))
    server_app.app(grid, context)
    outcome: dict[str, Any] = json.loads(str(context.state.config_records["outcome"]["json"]))
    return outcome


@contextmanager
def ray_session(workers: int) -> Iterator[WorkerPool]:
    """Ray on this machine with `workers` actors, stopped at the end whatever happens."""
    logging.getLogger("flwr").setLevel(logging.ERROR)  # The bars and the table say it better.
    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )
    try:
        yield WorkerPool(CLIENT_APP, workers)
    finally:
        ray.shutdown()


def _check_first_client(config: RunConfig, examples: Sequence[Any]) -> None:
    """Load the model and encode one client before anything is started: what is wrong there is wrong everywhere."""
    module, tokenizer = load_model(config.model)
    task = CausalLanguageModelling(tokenizer, module, config.max_length)
    task.batch([task.encode(example) for example in examples])


def _raise_client_error(reply: Message) -> None:
    """A simulation stops at its first failing client: going on would hide a mistake in the data or the model."""
    if reply.error.code == CLIENT_INPUT_ERROR:
        raise BadInput(reply.error.reason)
    raise ClientCrashed(f"a client crashed:\n{reply.error.reason}")
