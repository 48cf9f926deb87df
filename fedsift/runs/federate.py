"""The ServerApp over simulated clients on Ray."""

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from flwr.app import Context, RecordDict, UserConfig

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.federation import server_app
from fedsift.federation.client import MEMBERSHIP, membership
from fedsift.federation.round_log import RoundLog, removed_by
from fedsift.runtime.ray_grid import Progress, RayGrid, node_configs
from fedsift.runtime.worker_pool import WorkerPool


def federate(
    pool: WorkerPool,
    config: RunConfig,
    clients: Mapping[str, int],
    bars: Progress | None = None,
    ledger: Path | None = None,
    masks: Path | None = None,
    rounds: int | None = None,
    returning: bool = False,
    held_out: Container[str] = (),
    log: RoundLog | None = None,
) -> dict[str, Any]:
    """One run of the ServerApp; returns its outcome, and the workers' environments.

    Args:
        pool: the workers.
        config: with `leave` as ids.
        clients: who takes part, and each one's place in the data set.
        bars: are told of the progress.
        ledger: the server's state, made where there is none; in memory for None.
        masks: where clients keep their masks; None keeps none, and then nobody can be served.
        rounds: by default two where somebody leaves, else one.
        returning: whether clients that left before join again; else they stay away.
        held_out: clients that never join, and only score the merged model.
        log: of a run with a ledger: rounds in it are not played again, and those that are played are added to its file.
    """
    user_config = config.to_user_config()
    extra = {"mask-folder": str(masks.resolve())} if masks is not None else {}
    nodes = node_configs(clients, extra, held_out)
    grid = RayGrid(pool, nodes, user_config, bars, remembered(clients, ledger, returning, log))
    with _shared_file(config, masks) as shared_file:
        environments = pool.prepare(user_config, shared_file) if clients else []
        played = len(log.rounds) if log else 0
        server_config: UserConfig = {"rounds": (rounds or (2 if config.anybody_leaves else 1)) - played}
        server_config["model-digest"] = pool.model_digest.hex()
        if ledger is not None:
            server_config["ledger"] = str(ledger)
        if log is not None:
            server_config["rounds-file"] = str(log.path)
        context = Context(run_id=1, node_id=1, node_config=server_config, state=RecordDict(), run_config=user_config)
        server_app.app(grid, context)
    outcome: dict[str, Any] = json.loads(str(context.state.config_records["outcome"]["json"]))
    return {**outcome, "environments": environments}


@contextmanager
def _shared_file(config: RunConfig, masks: Path | None) -> Iterator[str]:
    """On a cluster, a file in the masks' folder of a name that is nowhere else: who sees it sees the folder."""
    if masks is None or not config.ray_address:
        yield ""
        return
    with NamedTemporaryFile(dir=masks.resolve(), prefix=".seen-by-all-") as file:
        yield file.name


def remembered(
    clients: Iterable[str], ledger: Path | None, returning: bool, log: RoundLog | None = None
) -> dict[int, RecordDict]:
    """What clients know of their own standing, by place, when a simulation goes on from a ledger.

    Its rounds count from 1. With a log, the first of them may have begun before: whoever joined in it, or was refused
    in it, does not ask to leave in it.
    """
    if ledger is None or not ledger.exists():
        return {}
    opened = Ledger.open(ledger)
    members, removed = opened.members(), removed_by(opened)
    waiting = set(members) - log.joined | {body["client"] for body in log.settled(opened)} if log else set()
    opened.close()
    states = {}
    for place, client_id in enumerate(clients):
        if client_id in members:
            states[place] = RecordDict({MEMBERSHIP: membership(True, server_round=int(client_id in waiting))})
        elif client_id in removed and not returning:
            states[place] = RecordDict({MEMBERSHIP: membership(removed=True)})
    return states


def places(client_ids: Sequence[str], chosen: Iterable[str]) -> dict[str, int]:
    """Each chosen client's place in the data set.

    Raises:
        BadInput: the data set does not have one of them.
    """
    place = {client_id: index for index, client_id in enumerate(client_ids)}
    for client_id in (chosen := list(chosen)):
        if client_id not in place:
            raise BadInput(f"the data have no client {client_id!r}")
    return {client_id: place[client_id] for client_id in chosen}
