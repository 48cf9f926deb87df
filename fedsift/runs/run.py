"""`fedsift run`: the simulation, its removals, and the oracle in which the leavers never were."""

import dataclasses
import json
import time
from collections.abc import Container
from pathlib import Path

from fedsift.configuration.choices_in_data import warning_of_choices
from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.tracking import Track, Tracking
from fedsift.data.loading import load_dataset
from fedsift.data.look_alikes import look_alike_warning, look_alikes
from fedsift.federation.round_log import RoundLog
from fedsift.federation.run_state import open_state
from fedsift.learning.model_location import check_given
from fedsift.learning.stored_names import may_be_tuned
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.federate import federate, merging, places, workers
from fedsift.runs.privacy import check_accounting
from fedsift.runs.result import Oracle, RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.tracked_rounds import TrackedRounds
from fedsift.runtime.flower_engine import run_on_flower
from fedsift.runtime.gpu_share import check_device
from fedsift.runtime.in_flight import Pool
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_start import check_ray

# What changes what is served, or who takes part, but not the bits of a contribution.
_SERVED_BY = (
    "clients",
    "newcomers",
    "leave",
    "localise",
    "evaluate",
    "evaluate-clients",
    "merge-scale",
    "publish-noise",
)


def run(config: RunConfig, out: Path, bars: PhaseBars, track: Track | None = None) -> RunResult:
    """Simulate into a new folder; returns what result.json holds.

    Raises:
        BadInput: something is wrong with the configuration, the data, the model, the folder or the tracker; nothing is
            written.
    """
    with Tracking(track, bars.warn) as tracking:
        tracked = TrackedRounds(tracking, config)
        participants, resolved = _check(config, bars, is_new=True)
        folder = RunFolder.create(out, config)
        with folder.kept_once_merged():
            folder.signing_key()
            tracked.start("run", folder.path, config.anybody_leaves)
            if config.engine == "flower":
                run_on_flower(config, len(participants.everybody), folder.result, bars)
                found = folder.read_result()
                assert found is not None
                result = found
                tracked.of_result(result)
            else:
                with folder.locked():
                    result = _simulate(folder, resolved, participants, RoundLog(folder.rounds, watch=tracked), bars)
        tracked.found({folder.result.name: folder.result}, removals=result.removals)
        return result


def resume(out: Path, bars: PhaseBars, track: Track | None = None) -> RunResult:
    """Go on with a run that was stopped at any moment; of one that is over, return the result.

    A tracker is sent all of it, but for the losses of those who joined before.

    Where config.toml says something else now, of what does not touch the bits of a contribution (`localise`, who
    leaves), the rounds are played again with those who are members.
    """
    folder, config = RunFolder.open(out)
    if config.engine == "flower":
        raise BadInput(
            f"{out} was made on Flower's engine, which forgets what clients know: run it anew, with another --out"
        )
    participants, config = _check(config, bars)
    with Tracking(track, bars.warn) as tracking, folder.locked():
        tracked = TrackedRounds(tracking, config)
        folder.signing_key()
        folder.bring_up_to_date()
        receipts, changed = _found(folder, config)
        result = folder.read_result()
        tracked.start("run", out, config.anybody_leaves)
        if result is not None and not changed:
            result = _with_oracle(folder, config, result, bars)
            tracked.of_result(result)
        else:
            anew = changed or not folder.rounds.exists()
            log = RoundLog(folder.rounds, receipts) if anew else RoundLog.read(folder.rounds)
            log.watch = tracked
            for number, record in enumerate(log.rounds, start=1):
                tracked.round_over(number, record)
            result = _simulate(folder, config, participants, log, bars)
        tracked.found({folder.result.name: folder.result}, removals=result.removals)
        return result


def _found(folder: RunFolder, config: RunConfig) -> tuple[int, bool]:
    """How many receipts a run has, and whether its rounds are to be played anew.

    They are where another configuration is served now, and in a run that is over where members have not voted since one
    of them left or joined.
    """
    if not folder.ledger.exists():
        return 0, False
    state = open_state(config, folder.ledger, capacity=1)
    with state.ledger as ledger:
        before, now = ledger.config, config.to_user_config()
        changed = any(before.get(name) != now[name] for name in _SERVED_BY)
        votes = config.evaluate and config.is_held_out and state.terms.head is not None and state.members
        to_vote = folder.result.exists() and votes and not state.has_voted
        return len(ledger.receipts()), bool(changed or to_vote)


def _check(config: RunConfig, bars: PhaseBars, is_new: bool = False) -> tuple[Participants, RunConfig]:
    """Who takes part, and the configuration with its leavers as ids.

    What can be said of machine, data and model before workers load them, is said here: without torch, but for a task
    of one's own, and where `tune` may be wrong. Rows are looked at where the run `is_new`.
    """
    if not config.ray_address:
        check_ray()
    check_device(config)
    check_accounting(config.publish_noise)
    check_given(config.model_settings)
    if config.model_settings.is_custom or not may_be_tuned(config.model_settings):
        from fedsift.learning.models import load_layout  # torch, as in most tasks of one's own

        load_layout(config.model_settings)
    dataset = load_dataset(config)
    participants = Participants.of(config, dataset)
    bars.warn(look_alike_warning(look_alikes(participants.everybody)))
    if is_new:
        bars.warn(warning_of_choices(config, dataset, participants.everybody))
    leavers = choose_leavers(config, participants.members, participants.newcomers)
    if config.engine == "flower":
        _check_flower(config)
    return participants, config.leaving(*leavers)


def _check_flower(config: RunConfig) -> None:
    """What Flower's own engine cannot do; and the model, since what its server raises ends a run that has begun."""
    if config.ray_address:
        raise BadInput("ray-address belongs to engine ray; Flower's own engine starts a Ray of its own")
    if config.oracle or config.partial_sums:
        name = "oracle" if config.oracle else "partial-sums"
        instead = "; `fedsift verify RUN --oracle` compares afterwards" if config.oracle else ""
        raise BadInput(f"{name} belongs to engine ray{instead}")
    from fedsift.learning.models import load_model  # torch: not where workers tell

    load_model(config.model_settings.on_cpu())


def _simulate(
    folder: RunFolder, config: RunConfig, participants: Participants, log: RoundLog, bars: PhaseBars
) -> RunResult:
    """Play the rounds that are not in the log, ask the oracle, and tell what came of it all."""
    started, key = time.perf_counter(), folder.signing_key()
    present = places(participants.everybody, _present(folder, participants, log))
    newcomers = participants.newcomers
    folder.result.unlink(missing_ok=True)  # From here on the run is not over.
    folder.delete_figures()
    log.write()
    if folder.ledger.exists():
        with Ledger.open(folder.ledger, key=key) as ledger, ledger.transaction():
            ledger.set("config", json.dumps(config.to_user_config()))
    with workers(len(present), config, bars, short=False) as pool:
        outcome = federate(
            pool, config, present, bars, folder.ledger, folder.masks(), newcomers=newcomers, log=log, key=key
        )
        first = outcome.rounds[0]
        if not first.members:
            folder.rounds.unlink()  # Who goes on once the reason is mended tries them all again.
            client_id, reason = next(iter(first.failures.items()))
            raise BadInput(f"no client could be merged; client {client_id!r}: {last_line(reason)}")
        folder.write_certificates()
        oracle = _oracle(pool, config, outcome.member_digests, bars) if config.oracle else None
    seconds = {**bars.seconds, "total": time.perf_counter() - started}
    result = RunResult.of(config, pool.loaded.metric, outcome, oracle, seconds)
    folder.write_result(result)
    return result


def _present(folder: RunFolder, participants: Participants, log: RoundLog) -> list[str]:
    """Who takes part: all but those who left before the rounds began."""
    if not log.earlier_receipts:
        return participants.everybody
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        gone, members = log.gone(ledger), ledger.members()
    present = [client_id for client_id in participants.everybody if client_id not in gone]
    if not any(client_id in members or client_id not in participants.newcomers for client_id in present):
        raise BadInput(f"{folder.path}: all clients have left; `fedsift join {folder.path} CLIENT` merges one again")
    return present


def _with_oracle(folder: RunFolder, config: RunConfig, result: RunResult, bars: PhaseBars) -> RunResult:
    """The result of a run that is over; the oracle is asked where it has not been, about the members of now."""
    if config.oracle and result.oracle is None:
        members = folder.members()
        with workers(len(members), config, bars, short=False) as pool:
            oracle = _oracle(pool, config, members, bars)
        result = dataclasses.replace(result, oracle=Oracle(oracle, oracle == result.state_digest))
        folder.write_result(result)
    return result


def _oracle(pool: Pool, config: RunConfig, members: Container[str], bars: PhaseBars) -> str:
    """The state digest of a run in which nobody but these members ever was."""
    bars.prefix = "oracle "
    client_ids = load_dataset(config).client_ids
    stayed = places(client_ids, [each for each in client_ids if each in members])
    return federate(pool, merging(config), stayed, bars).state_digest
