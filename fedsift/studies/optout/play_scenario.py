"""`fedsift optout`: play a scenario of clients that opt out, and hold the state after every step against oracles.

Step 0 merges all clients; each later step is a round of the same federation, in which clients ask to leave, come back
or are offline as their own schedule tells them: the server never decides.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from fedsift.configuration.choices_in_data import warning_of_choices
from fedsift.configuration.round_settings import RoundSettings, own_steps
from fedsift.configuration.run_config import RunConfig, read_toml
from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import load_mask, mask_path
from fedsift.core.options import hyphened
from fedsift.core.running_sums import head_bytes
from fedsift.core.tracking import NOT_TRACKED, Tracking
from fedsift.data.loading import load_dataset
from fedsift.files.output import write_whole
from fedsift.learning.models import metric_of
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.federate import federate, places
from fedsift.runs.ledger_folder import least_room
from fedsift.runtime.gpu_share import check_device
from fedsift.runtime.progress import STEP, PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies.client_script import Misbehaviour
from fedsift.studies.optout.attacks import check_parties
from fedsift.studies.optout.on_clock import on_clock
from fedsift.studies.optout.oracle import chain_digests, chains, full_steps
from fedsift.studies.optout.other_hardware import PoolWithOtherHardware, other_profile
from fedsift.studies.optout.scenario import Scenario, read_scenario
from fedsift.studies.optout.scenario_federation import Cast, Federation, Quiet
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.optout.step_log import StepLog, members_after
from fedsift.studies.optout.tracked import TrackedSteps
from fedsift.studies.scripted_client_app import APP


def play(
    scenario: Scenario,
    config: RunConfig,
    out: Path,
    bars: PhaseBars,
    full_oracles: int = 10,
    evaluate_every: int | None = None,
    rounds: RoundSettings | None = None,
    attacks: bool = False,
    tracking: Tracking = NOT_TRACKED,
) -> ScenarioResult:
    """Play a scenario into a new folder.

    Args:
        scenario: who does what and when.
        config: of the run; `scenario.run` has been made part of it. Newcomers are only scored.
        out: a folder that is new or empty.
        bars: progress.
        full_oracles: so many steps, drawn from the seed, are also held against a federation of exactly their members.
        evaluate_every: score after every so many steps; by default after step 0, the last, and ten in between.
        rounds: of methods that train in rounds, whose costs are to stand beside SIFT-Masks'.
        attacks: whether `fedsift.studies.optout.attacks.attack` comes next: then it is seen beforehand that it can.
        tracking: is started, and told of each step and what comes of it; its files may be added to.

    Raises:
        BadInput: something is wrong with the scenario, the configuration, the data, the model, the folder or the
            tracker; nothing is written.
    """
    if full_oracles < 0:
        raise BadInput(f"full-oracles = {full_oracles}: give a number from 0 on")
    if evaluate_every is not None and evaluate_every < 1:
        raise BadInput(f"evaluate-every = {evaluate_every}: give a number of steps from 1 on")
    for name in ("leave", "leave_count", "oracle"):
        if getattr(config, name):
            why = "the scenario says who leaves, and oracles are always asked"
            raise BadInput(f"{hyphened(name)} has no place here: {why}")
    tracked = TrackedSteps(tracking, config)
    check_device(config)
    cast = Cast.of(scenario, config)
    if attacks:
        check_parties(scenario, config, cast)
    dataset = load_dataset(config)
    bars.warn(warning_of_choices(config, dataset, cast.everybody))
    if rounds:  # What is wrong with its file of devices is said before anything runs.
        rounds.schedule(config, dataset, cast.clients)
    folder = ScenarioFolder.create(out, config, least_room(cast.size, len(cast.clients)))
    told_rounds = (rounds or RoundSettings()).to_mapping()
    log = StepLog(full_oracles, evaluate_every, told_rounds)
    with folder.kept_once_merged(), folder.locked():
        tracked.start("optout", out, leaves=True, scenario=scenario.title)
        log.write(folder.steps)
        write_whole(folder.scenario, scenario.toml)
        return _play(folder, scenario, config, cast, log, bars, tracked)


def resume(out: Path, bars: PhaseBars, attacks: bool = False, tracking: Tracking = NOT_TRACKED) -> ScenarioResult:
    """Go on with a scenario that was stopped at any moment; of one that is over, return the result.

    A tracker is told of the steps that are still to be played.

    Raises:
        BadInput: the folder holds no scenario, or one that cannot be attacked, where that is asked for.
    """
    folder, config = ScenarioFolder.open(out)
    with folder.locked():
        tracked, scenario = TrackedSteps(tracking, config), read_scenario(str(folder.scenario))
        tracked.start("optout", out, leaves=True, scenario=scenario.title)
        result = folder.read_result()
        if result is not None:
            folder.steps.unlink(missing_ok=True)
            tracked.played(result, folder.result)
            return result
        log = StepLog.read(folder.steps)
        cast = Cast.of(scenario, config)
        if attacks:
            check_parties(scenario, config, cast)
        folder.sweep()
        return _play(folder, scenario, config, cast, log, bars, tracked)


def _play(
    folder: ScenarioFolder,
    scenario: Scenario,
    config: RunConfig,
    cast: Cast,
    log: StepLog,
    bars: PhaseBars,
    tracked: TrackedSteps,
) -> ScenarioResult:
    started = time.perf_counter()
    folder.signing_key()
    plan = cast.plan(scenario, config, log.by_influence)
    other_hardware = Misbehaviour.OTHER_HARDWARE in plan.misbehaviour.values()
    with bars, ray_session(len(cast.clients), config, APP, int(other_hardware)) as pool:
        federation = Federation(pool, folder, config, cast, log, tracked)
        user_config = federation.clients_config.to_user_config()
        environments = pool.prepare(user_config)
        if other_hardware:
            other = WorkerPool(APP, 1, other_profile(config.profile))
            other_config = {**user_config, "device": "cpu"}
            environments += other.prepare(other_config)
            federation.workers = PoolWithOtherHardware(pool, other, other_config)
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
    with closing(Ledger.open(folder.ledger, read_only=True)) as ledger:
        receipts, head = ledger.receipts(), head_bytes(ledger.terms)
    dataset = load_dataset(config)
    rounds = RoundSettings.from_mapping(log.rounds)
    schedule = rounds.schedule(config, dataset, cast.clients)
    clock = on_clock(log.steps, schedule, cast.size, own_steps(config, dataset))
    told, metric = read_toml(folder.path / "config.toml"), metric_of(config.model_settings)
    if rounds.rounds:
        told |= rounds.to_mapping()
    newcomers, seconds, held_out = len(cast.newcomers), time.perf_counter() - started, config.is_held_out
    planned = plan.misbehaviour
    of_all = newcomers, receipts, planned, head, environments, seconds
    result = ScenarioResult.of(scenario, told, metric, held_out, cast.size, log, clock, *of_all)
    folder.write_result(result)
    tracked.played(result, folder.result)
    return result


def _look_at_merge(folder: ScenarioFolder, cast: Cast, log: StepLog) -> None:
    """Note what can be seen after the merge only: the members' mask files, and who is most influential.

    Raises:
        BadInput: nobody could be merged.
    """
    merge = log.steps[0]
    if not merge.members:
        client_id, reason = next(iter(merge.failures.items()))
        raise BadInput(f"no client could be merged; client {client_id!r}: {last_line(reason)}")
    masks = folder.masks()
    log.mask_bytes = sum(mask_path(masks, each).stat().st_size for each in merge.joined) / merge.members
    with closing(Ledger.open(folder.ledger, read_only=True)) as ledger:
        log.by_influence = by_influence(masks, cast.clients, merge.joined, ledger.terms)
    log.write(folder.steps)


def by_influence(masks: Path, clients: Sequence[str], merged: Sequence[str], terms: UploadTerms) -> list[str]:
    """The clients by the L1 norms of their contributions, the largest first; those that were not merged last.

    All contributions have the signs of one sign vector, so magnitudes add up and never cancel: a client's norm is what
    its leaving takes off the norm of the sum. To know it costs nothing. It is no drop in score.
    """
    norms = {client_id: load_mask(masks, client_id, terms).l1 for client_id in merged}
    return sorted(clients, key=lambda client_id: -norms.get(client_id, -1.0))


def _ask_oracles(pool: WorkerPool, federation: Federation, bars: PhaseBars) -> None:
    """Fill the log's `oracles`, as far as they are not there."""
    config, cast, log, file = federation.clients_config, federation.cast, federation.log, federation.folder.steps
    quiet, incremental, full = Quiet(bars), log.oracles.incremental, log.oracles.full
    bars.prefix = "oracle "
    for chain in chains(log.steps):
        if any(str(step) not in incremental for step, _ in chain):
            bars.begin(STEP, len(chain))
            found = chain_digests(pool, config, cast.client_ids, chain, quiet, lambda: bars.advance(STEP))
            incremental.update({str(step): digest for step, digest in found.items()})
            log.write(file)
    bars.prefix = "full oracle "
    chosen = full_steps(log.full_oracles, len(log.steps) - 1, config.seed)
    if chosen:
        bars.begin(STEP, len(chosen))
    for step in chosen:
        if str(step) not in full:
            members = members_after(log.steps[: step + 1])
            joining = places(cast.client_ids, [each for each in cast.clients if each in members])
            full[str(step)] = federate(pool, config, joining, quiet).state_digest
            log.write(file)
        bars.advance(STEP)
