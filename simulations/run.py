"""`fedsift run`: the simulation, its removals, and the oracle in which the leavers never were."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from fedsift.data.look_alikes import look_alike_warning
from fedsift.errors import BadInput
from fedsift.models import load_layout, load_learner, metric_of
from simulations.configuration import RunConfig
from simulations.data import choose_clients, choose_leavers, load_dataset
from simulations.engine import federate, places, ray_session
from simulations.flower.local_engine import run_on_flower
from simulations.progress import PhaseBars
from simulations.ray_start import check_ray_folder
from simulations.result import last_line, run_result
from simulations.run_folder import RunFolder, least_room


def run(config: RunConfig, out: Path, bars: PhaseBars) -> dict[str, Any]:
    """Simulate into a new folder; returns what result.json holds.

    Raises:
        BadInput: something is wrong with the configuration, the data, the model or the folder; nothing is written.
    """
    clients, leavers, size = _check(config, bars)
    folder = RunFolder.create(out, config, least_room(size, len(clients)))
    with folder.kept_once_merged():
        if leavers:
            folder.signing_key()
        if config.engine == "flower":
            return run_on_flower(config, clients, folder, bars)
        with folder.locked():
            return _simulate(folder, config, clients, leavers, bars)


def resume(out: Path, bars: PhaseBars) -> dict[str, Any]:
    """Go on with a run that was stopped at any moment; one that had ended is done again from what is merged."""
    folder, config = RunFolder.open(out)
    if config.engine == "flower":
        raise BadInput(
            f"{out} was made on Flower's engine, which forgets what clients know: run it anew, with another --out"
        )
    clients, leavers, _ = _check(config, bars)
    with folder.locked():
        if leavers or folder.uncertified():
            folder.signing_key()
        folder.sweep()
        return _simulate(folder, config, clients, leavers, bars)


def _check(config: RunConfig, bars: PhaseBars) -> tuple[list[str], tuple[str, ...], int]:
    """Clients, leavers and n; what can be said of machine, data and model before workers load them, is said here."""
    if not config.ray_address:
        check_ray_folder()
    dataset = load_dataset(config)
    clients = choose_clients(config, dataset)
    bars.warn(look_alike_warning(clients))
    leavers = choose_leavers(config, clients)
    size = load_layout(config.model_settings).size
    if config.engine == "flower":
        _check_flower(config)
    return clients, leavers, size


def _check_flower(config: RunConfig) -> None:
    """What Flower's own engine cannot do; and the model, since what its server raises ends a run that has begun."""
    if config.ray_address:
        raise BadInput("ray-address belongs to engine ray; Flower's own engine starts a Ray of its own")
    if config.oracle or config.partial_sums:
        name = "oracle" if config.oracle else "partial-sums"
        instead = "; `fedsift verify RUN --oracle` compares afterwards" if config.oracle else ""
        raise BadInput(f"{name} belongs to engine ray{instead}")
    load_learner(dataclasses.replace(config.model_settings, compile=False))


def _simulate(
    folder: RunFolder, config: RunConfig, clients: list[str], leavers: tuple[str, ...], bars: PhaseBars
) -> dict[str, Any]:
    started = time.perf_counter()
    resolved = config.leaving(*leavers)
    everyone = places(clients, clients)
    with bars, ray_session(len(clients), config) as pool:
        outcome = federate(pool, resolved, everyone, bars, folder.ledger, folder.masks())
        first = outcome["rounds"][0]
        if not first["members"]:
            client_id, reason = next(iter(first["failures"].items()))
            raise BadInput(f"no client could be merged; client {client_id!r}: {last_line(reason)}")
        folder.write_certificates()
        oracle = None
        if config.oracle:
            bars.prefix = "oracle "
            stayed = places(clients, [each for each in clients if each in outcome["member_digests"]])
            oracle = federate(pool, dataclasses.replace(config.leaving(), evaluate=False), stayed, bars)
        bars.finish()
    seconds = {**bars.seconds, "total": time.perf_counter() - started}
    result = run_result(config, metric_of(config.model_settings), outcome, oracle, seconds)
    folder.write_result(result)
    return result
