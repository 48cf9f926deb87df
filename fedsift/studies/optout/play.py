"""`fedsift optout`: play a scenario of clients that opt out, and hold the state after every step against oracles.

Step 0 merges all clients; each later step is a round of the same federation, in which clients ask to leave, come back
or are offline as their own schedule tells them: the server never decides. Into a run's folder (`run_folder`) it writes
besides

scenario.toml   the scenario
steps.json      while it is being played: what is known of the steps that are over (`log`)
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig, read_toml
from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import load_mask, mask_path
from fedsift.core.options import hyphened
from fedsift.files.output import write_whole
from fedsift.learning.models import metric_of
from fedsift.runs.federate import federate, places
from fedsift.runs.result import last_line
from fedsift.runs.run_folder import SCENARIO_FILE, RunFolder, least_room
from fedsift.runtime.progress import STEP, PhaseBars
from fedsift.runtime.ray_session import CLIENT_APP, ray_session
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.optout.federation import Cast, Federation, Quiet
from fedsift.studies.optout.log import STEPS_FILE, StepLog, members_after
from fedsift.studies.optout.oracle import chain_digests, chains, full_steps
from fedsift.studies.optout.other_hardware import PoolWithOtherHardware, other_profile
from fedsift.studies.optout.result import checked_steps, costs, removals, storage_bytes, verdict
from fedsift.studies.optout.scenario import OTHER_HARDWARE, Scenario, read_scenario


def play(
    scenario: Scenario,
    config: RunConfig,
    out: Path,
    bars: PhaseBars,
    held_out: int = 10,
    full_oracles: int = 10,
    evaluate_every: int | None = None,
) -> dict[str, Any]:
    """Play a scenario into a new folder.

    Args:
        scenario: who does what and when.
        config: of the run; `scenario.run` has been made part of it.
        out: a folder that is new or empty.
        bars: progress.
        held_out: so many further clients of the data never join; they score the merged model.
        full_oracles: so many steps, drawn from the seed, are also held against a federation of exactly their members.
        evaluate_every: score after every so many steps; by default after step 0, the last, and ten in between.

    Returns:
        What result.json holds.

    Raises:
        BadInput: something is wrong with the scenario, the configuration, the data, the model or the folder; nothing
            is written.
    """
    if held_out < 0 or full_oracles < 0:
        raise BadInput(f"held-out = {held_out}, full-oracles = {full_oracles}: give numbers from 0 on")
    if evaluate_every is not None and evaluate_every < 1:
        raise BadInput(f"evaluate-every = {evaluate_every}: give a number of steps from 1 on")
    for name in ("leave", "leave_count", "oracle"):
        if getattr(config, name):
            raise BadInput(
                f"{hyphened(name)} has no place here: the scenario says who leaves, and oracles are always asked"
            )
    cast = Cast.of(scenario, config, held_out)
    folder = RunFolder.create(out, config, least_room(cast.size, len(cast.clients)))
    log = StepLog(held_out, full_oracles, evaluate_every)
    with folder.kept_once_merged(), folder.locked():
        log.write(out)
        write_whole(out / SCENARIO_FILE, scenario.toml)
        return _play(folder, scenario, config, cast, log, bars)


def resume(out: Path, bars: PhaseBars) -> dict[str, Any]:
    """Go on with a scenario that was stopped at any moment; of one that is over, return the result.

    Raises:
        BadInput: the folder holds no scenario.
    """
    folder, config = RunFolder.open(out)
    if not (out / SCENARIO_FILE).is_file():
        raise BadInput(f"{out} holds no scenario: it has no {SCENARIO_FILE}")
    with folder.locked():
        result = folder.read_result()
        if result is not None:
            (out / STEPS_FILE).unlink(missing_ok=True)
            return result
        scenario, log = read_scenario(str(out / SCENARIO_FILE)), StepLog.read(out)
        folder.sweep()
        return _play(folder, scenario, config, Cast.of(scenario, config, log.held_out), log, bars)


def _play(
    folder: RunFolder, scenario: Scenario, config: RunConfig, cast: Cast, log: StepLog, bars: PhaseBars
) -> dict[str, Any]:
    started = time.perf_counter()
    folder.signing_key()
    plan = cast.plan(scenario, config, log.by_influence)
    other_hardware = OTHER_HARDWARE in plan.misbehaviour.values()
    with bars, ray_session(len(cast.clients), config, int(other_hardware)) as pool:
        federation = Federation(pool, folder, config, cast, log)
        user_config = federation.clients_config.to_user_config()
        environments = pool.prepare(user_config)
        if other_hardware:
            other = WorkerPool(CLIENT_APP, 1, other_profile(config.profile))
            environments += other.prepare(user_config)
            federation.workers = PoolWithOtherHardware(pool, other)
        if not log.steps:
            federation.play(plan, 1, bars, lambda: None)
        if not log.by_influence:
            _look_at_merge(folder, cast, log)
        plan = cast.plan(scenario, config, log.by_influence)
        if to_play := len(plan.steps) - len(log.steps):
            bars.begin(STEP, to_play)
            federation.play(plan, to_play, Quiet(bars), lambda: bars.advance(STEP))
        folder.write_certificates()
        _ask_oracles(pool, federation, bars)
        bars.finish()
    result = _result(folder, scenario, config, cast, log)
    result |= {"environment": environments, "seconds": round(time.perf_counter() - started, 3)}
    folder.write_result(result)
    (folder.path / STEPS_FILE).unlink()
    return result


def _look_at_merge(folder: RunFolder, cast: Cast, log: StepLog) -> None:
    """Note what can be seen after the merge only: the members' mask files, and who is most influential.

    Raises:
        BadInput: nobody could be merged.
    """
    merge = log.steps[0]
    if not merge["members"]:
        client_id, reason = next(iter(merge["failures"].items()))
        raise BadInput(f"no client could be merged; client {client_id!r}: {last_line(reason)}")
    masks = folder.masks()
    log.mask_bytes = sum(mask_path(masks, each).stat().st_size for each in merge["joined"]) / merge["members"]
    ledger = Ledger.open(folder.ledger)
    log.by_influence = by_influence(masks, cast.clients, merge["joined"], ledger.terms)
    ledger.close()
    log.write(folder.path)


def by_influence(masks: Path, clients: Sequence[str], merged: Sequence[str], terms: UploadTerms) -> list[str]:
    """The clients by the L1 norms of their contributions, the largest first; those that were not merged last.

    All contributions have the signs of one sign vector, so magnitudes add up and never cancel: a client's norm is what
    its leaving takes off the norm of the sum. To know it costs nothing. It is no drop in score.
    """
    norms = {client_id: load_mask(masks, client_id, terms).l1 for client_id in merged}
    return sorted(clients, key=lambda client_id: -norms.get(client_id, -1.0))


def _ask_oracles(pool: WorkerPool, federation: Federation, bars: PhaseBars) -> None:
    """Fill the log's `oracles`, as far as they are not there."""
    config, cast, log, path = federation.clients_config, federation.cast, federation.log, federation.folder.path
    quiet, incremental, full = Quiet(bars), log.oracles["incremental"], log.oracles["full"]
    bars.prefix = "oracle "
    for chain in chains(log.steps):
        if any(str(step) not in incremental for step, _ in chain):
            bars.begin(STEP, len(chain))
            found = chain_digests(pool, config, cast.client_ids, chain, quiet, lambda: bars.advance(STEP))
            incremental.update({str(step): digest for step, digest in found.items()})
            log.write(path)
    bars.prefix = "full oracle "
    chosen = full_steps(log.full_oracles, len(log.steps) - 1, config.seed)
    bars.begin(STEP, len(chosen))
    for step in chosen:
        if str(step) not in full:
            members = members_after(log.steps[: step + 1])
            joining = places(cast.client_ids, [each for each in cast.clients if each in members])
            full[str(step)] = federate(pool, config, joining, quiet)["state_digest"]
            log.write(path)
        bars.advance(STEP)


def _result(folder: RunFolder, scenario: Scenario, config: RunConfig, cast: Cast, log: StepLog) -> dict[str, Any]:
    """The content of result.json, but for what the session knows."""
    ledger = Ledger.open(folder.ledger)
    receipts, parameters = ledger.receipts(), ledger.terms.size
    ledger.close()
    steps = checked_steps(log)
    members = steps[0]["members"]
    return {
        "scenario": {"title": scenario.title, "description": scenario.description, "toml": scenario.toml},
        "config": read_toml(folder.path / "config.toml"),
        "metric": metric_of(config.model_settings),
        "tuned_parameters": parameters,
        "clients": members,
        "held_out": len(cast.held_out),
        "server_bytes": log.server_bytes,
        "mask_bytes_mean": log.mask_bytes,
        "upload_bytes_mean": steps[0]["bytes_up"] / members,
        "dense_bytes": 4 * parameters,
        "steps": steps,
        "costs": costs(steps),
        "storage_bytes": storage_bytes(parameters, members),
        "removals": removals(receipts, log.steps),
        "attacks": None,
        "verdict": verdict(steps),
    }
