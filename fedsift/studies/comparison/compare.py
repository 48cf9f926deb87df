"""`fedsift compare`: several methods on the same clients, with what a removal costs each, and whether it is exact."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.data.loading import load_dataset
from fedsift.files.output import clear, make_empty
from fedsift.learning.models import load_layout, metric_of
from fedsift.runtime.gpu_share import check_device
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.strategies.registry import COMPARED, METHODS, SIFT_MASKS, SIFT_MERGE
from fedsift.studies.comparison.arena import Arena
from fedsift.studies.comparison.comparison import Comparison
from fedsift.studies.scripted_client_app import APP


def compare(config: RunConfig, names: Sequence[str], out: Path, bars: PhaseBars) -> Comparison:
    """Play merge and removals with each method, and write `Comparison`'s files into `out`.

    Clients, seeds and settings are the same for all. A plain fine-tuning, of a client or of the same pool, is computed
    once and kept in `out`/vectors; what a method would train again for a removal is counted all the same. The runs
    without the leavers have trainings of their own.

    Args:
        config: of the runs; its leavers leave one after the other, with SIFT-Masks as one batch, and its newcomers
            score the merged model.
        names: of the methods.
        out: a folder for the results and the clients' files.
        bars: are told of the progress.

    Raises:
        BadInput: an unknown method, fewer clients than asked for, or a folder that cannot be used.
    """
    for name in names:
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
    if not config.anybody_leaves:
        raise BadInput("a comparison needs somebody who leaves: give leave-count, or leave with their ids")
    check_device(config)
    dataset = load_dataset(config)
    participants = Participants.of(config, dataset)
    members, newcomers = participants.members, participants.newcomers
    leavers = choose_leavers(config, members, newcomers)
    layout, metric = load_layout(config.model_settings), metric_of(config.model_settings)
    held_out = config.is_held_out
    found = Comparison(len(members), len(newcomers), list(leavers), metric, layout.size, held_out)
    made = make_empty(out)
    try:
        with bars, ray_session(len(members), config, APP) as pool:
            pool.prepare(config.to_user_config())  # A method's seconds are its own, not the workers' start-up.
            arena = Arena(pool, config, dataset.client_ids, members, newcomers, leavers, layout, out, bars)
            if {SIFT_MASKS, SIFT_MERGE} & set(names):
                found.methods += [row for row in arena.sift_masks() if row.name in names]
            else:
                arena.score_alone()
            found.baselines = arena.baselines
            for name in [name for name in COMPARED if name in names]:
                found.methods.append(arena.compared(name))
                found.write(out)  # What is there so far: who stops a long comparison keeps its rows.
            bars.finish()
    except Exception:
        if not (out / "result.json").exists():
            clear(out, made)
        raise
    shutil.rmtree(out / "never-joined", ignore_errors=True)
    found.write(out)
    return found
