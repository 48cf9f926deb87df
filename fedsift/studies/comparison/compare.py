"""`fedsift compare`: several methods on the same clients, with what a removal costs each, and whether it is exact."""

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fedsift.configuration.choices_in_data import warning_of_choices
from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.participants import Participants
from fedsift.configuration.round_settings import RoundSettings, own_steps
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.tracking import Track, Tracking
from fedsift.data.loading import load_dataset
from fedsift.federation.method_client import ROUNDS_FOLDER
from fedsift.files.output import clear, make_empty
from fedsift.learning.models import load_layout, metric_of
from fedsift.protocol.compared_method import VALIDATION_CLIENTS, validation_among
from fedsift.runtime.gpu_share import check_device
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.strategies.registry import COMPARED, METHODS, SIFT_MASKS, SIFT_MERGE, compared_named, method_named
from fedsift.studies.comparison.arena import Arena
from fedsift.studies.comparison.comparison import Comparison, MethodRow
from fedsift.studies.comparison.tracked import track_comparison, track_row
from fedsift.studies.scripted_client_app import APP


def compare(
    config: RunConfig,
    names: Sequence[str],
    out: Path,
    bars: PhaseBars,
    rounds: RoundSettings | None = None,
    track: Track | None = None,
) -> Comparison:
    """Play merge and removals with each method, and write `Comparison`'s files into `out`.

    Clients, seeds and settings are the same for all. A plain fine-tuning, of a client or of the same pool, is computed
    once and kept in `out`/vectors; what a method would train again for a removal is counted all the same. The runs
    without the leavers have trainings of their own.

    Args:
        config: of the runs; its leavers leave one after the other, with SIFT-Masks as one batch, and its newcomers
            score the merged model.
        names: of the methods; of a user's own module:Class.
        out: a folder for the results and the clients' files.
        bars: are told of the progress.
        rounds: of the methods that train in rounds, and the clients' devices.
        track: where numbers, tables and files go besides.

    Raises:
        BadInput: an unknown method, one that trains in rounds where there are none, fewer clients than asked for, or a
            folder or a tracker that cannot be used.
    """
    rounds = rounds or RoundSettings()
    config = dataclasses.replace(config, evaluate_clients=0)  # All methods are scored on the same clients.
    check_methods(names, rounds)
    if not config.anybody_leaves:
        raise BadInput("a comparison needs somebody who leaves: give leave-count, or leave with their ids")
    check_device(config)
    dataset = load_dataset(config)
    participants = Participants.of(config, dataset)
    members, newcomers = participants.members, participants.newcomers
    bars.warn(warning_of_choices(config, dataset, participants.everybody))
    leavers = choose_leavers(config, members, newcomers)
    schedule, steps = rounds.schedule(config, dataset, members), own_steps(config, dataset)
    layout, metric = load_layout(config.model_settings), metric_of(config.model_settings)
    held_out = config.is_held_out
    chosen_on = _chosen_on(names, members, leavers)
    found = Comparison(len(members), len(newcomers), list(leavers), metric, layout.size, held_out, sorted(chosen_on))
    made = make_empty(out)
    with Tracking(track, bars.warn) as tracking:
        try:
            parameters = {**config.to_user_config(), **rounds.to_mapping(), "methods": ",".join(names)}
            tracking.start("compare", out, parameters, leaves=True)
            with bars, ray_session(len(members), config, APP) as pool:
                pool.prepare(config.to_user_config())  # A method's seconds are its own, not the workers' start-up.
                clients = dataset.client_ids, members, newcomers, leavers
                arena = Arena(pool, config, *clients, layout, schedule, steps, out, bars, chosen_on)
                for row in _rows(arena, names):
                    found.baselines = arena.baselines
                    found.methods.append(row)
                    found.write(out)  # What is there so far: who stops a long comparison keeps its rows.
                    track_row(tracking, row, len(leavers))
                bars.finish()
        except Exception:
            if not (out / "result.json").exists():
                clear(out, made)
            raise
        for folder in ("never-joined", f"vectors/{ROUNDS_FOLDER}"):
            shutil.rmtree(out / folder, ignore_errors=True)
        track_comparison(tracking, found, arena.per_client, out)
    return found


def check_methods(names: Sequence[str], rounds: RoundSettings) -> None:
    """See that these are methods, and can be played.

    Raises:
        BadInput: an unknown one, or one that trains in rounds where there are none.
    """
    for name in names:
        if method_named(name).in_rounds and not rounds.rounds:
            raise BadInput(f"method {name} trains in rounds: give --rounds with their number")


def default_methods(rounds: RoundSettings) -> list[str]:
    """The names of all methods; of those that train in rounds only where there are any."""
    return [name for name, method in METHODS.items() if rounds.rounds or not method.in_rounds]


def _rows(arena: Arena, names: Sequence[str]) -> Iterator[MethodRow]:
    """A row for each method, as it is played; the arena has its baselines before the first."""
    if {SIFT_MASKS, SIFT_MERGE} & set(names):
        yield from (row for row in arena.sift_masks() if row.name in names)
    else:
        arena.score_alone()
    for name in (*COMPARED, *_own(names)):
        if name in names:
            yield arena.compared(name)


def _chosen_on(names: Sequence[str], members: Sequence[str], leavers: Sequence[str]) -> frozenset[str]:
    """The members who score the candidates of any method, at first and once the leavers are gone.

    Nobody where as many others would not be left to report on: then the scores are of those who chose as well.
    """
    if not any(compared_named(name).chooses() for name in names if name not in (SIFT_MASKS, SIFT_MERGE)):
        return frozenset()
    chosen_on = frozenset(validation_among(members)) | frozenset(validation_among(set(members) - set(leavers)))
    return chosen_on if len(members) - len(chosen_on) >= VALIDATION_CLIENTS else frozenset()


def _own(names: Sequence[str]) -> list[str]:
    """The methods of the user, in the order given."""
    return [name for name in dict.fromkeys(names) if name not in METHODS]
