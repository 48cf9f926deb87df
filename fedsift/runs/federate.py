"""Rounds of SIFT-Masks over simulated clients on Ray."""

import dataclasses
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted
from fedsift.core.ledger import Ledger
from fedsift.federation.client import MEMBERSHIP, membership
from fedsift.federation.outcome import Outcome
from fedsift.federation.pilot import training_seconds
from fedsift.federation.round_log import LoggedRounds, RoundLog, removed_clients
from fedsift.federation.run_state import open_state, run_facts, scoring_of
from fedsift.files.output import check_room
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.protocol.vector_file import can_share_files
from fedsift.runs.ledger_folder import least_room
from fedsift.runtime.in_flight import Pool
from fedsift.runtime.local_pool import local_session
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import Progress, RayGrid, node_configs
from fedsift.runtime.ray_session import ray_session
from fedsift.strategies.sift_masks import SiftMasks


def federate(
    pool: Pool,
    config: RunConfig,
    clients: Mapping[str, int],
    bars: Progress | None = None,
    ledger: Path | None = None,
    masks: Path | None = None,
    rounds: int | None = None,
    returning: bool = False,
    newcomers: Container[str] = (),
    log: RoundLog | None = None,
    key: Ed25519PrivateKey | None = None,
    stays: bool = False,
) -> Outcome:
    """Play the rounds of a run: one to merge, a second one for those who leave.

    Args:
        pool: the workers.
        config: with `leave` as ids.
        clients: who takes part, and each one's place in the data set.
        bars: are told of the progress.
        ledger: the server's state, made where there is none; in memory for None.
        masks: where clients keep their masks; None keeps none, and then nobody can be served.
        rounds: by default two where somebody leaves, else one.
        returning: whether clients that left before join again; else they stay away.
        newcomers: clients that never join, and only score the merged model.
        log: of a run with a ledger: rounds in it are not played again, and those that are played are added to its file.
        key: seals the ledger.
        stays: whether who leaves stays, and only has the rows forgotten that the configuration leaves out now.
    """
    user_config = config.to_user_config()
    nodes = node_configs(clients, newcomers, mask_folder=masks)
    grid = RayGrid(pool, nodes, user_config, bars, remembered(clients, ledger, returning, log))
    with _shared_file(config, masks) as shared_file:
        environments = pool.prepare(user_config, shared_file) if clients else []
        if isinstance(bars, PhaseBars) and ledger:  # Not of an oracle, which takes as long.
            bars.note(_estimate(pool, config, [each for each in clients if each not in newcomers]))
        if ledger and not ledger.exists() and pool.loaded.layout:
            check_room(ledger.parent, least_room(pool.loaded.layout.size, len(clients)))
        state = open_state(config, ledger, max(1, len(clients)), pool.loaded if clients else None, key)
        with state.ledger:
            if config.partial_sums:
                grid.partial_merge = PartialMerge(state.terms, state.ledger.checksum_secret)
            facts, localisations, scoring = run_facts(config), config.localisations, scoring_of(config)
            if log is None:
                strategy = SiftMasks(state, localisations, scoring, facts, held_out=config.is_held_out)
            else:
                strategy = LoggedRounds(state, localisations, scoring, facts, log, config.is_held_out)
                grid.on_losses = log.watch.on_losses if log.watch else None
            strategy.stays = stays
            if masks is not None and not config.ray_address and can_share_files():
                strategy.folder = masks
            strategy.start(
                grid,
                ArrayRecord(),
                num_rounds=(rounds or (2 if config.anybody_leaves else 1)) - len(strategy.rounds),
                timeout=math.inf,
                train_config=ConfigRecord({"score": config.evaluate}),
            )
            return Outcome.of(state, strategy.rounds, environments, log.earlier_receipts if log else 0)


def merge(
    config: RunConfig,
    clients: Mapping[str, int],
    bars: PhaseBars,
    ledger: Path | None = None,
    masks: Path | None = None,
    returning: bool = False,
    key: Ed25519PrivateKey | None = None,
) -> Outcome:
    """The round that merges these clients, on workers of their own; parameters as of `federate`."""
    with workers(len(clients), config, bars) as pool:
        return federate(pool, merging(config), clients, bars, ledger, masks, returning=returning, key=key)


def merging(config: RunConfig, leavers: Iterable[str] = ()) -> RunConfig:
    """A configuration in which nobody but these leaves, and nothing is scored."""
    return dataclasses.replace(config.leaving(*leavers), evaluate=False)


def _estimate(pool: Pool, config: RunConfig, members: Sequence[str]) -> str:
    """How long the training is going to take; empty where that will soon be seen."""
    if not members:
        return ""
    at_once = min(len(pool), len(members))
    tried = members[len(members) // 2], len(members) / at_once
    [(_, seconds)] = pool.map(training_seconds, [("pilot", (config, *tried))])
    tuning, head = (each * tried[1] / 60 for each in seconds or (0.0, 0.0))
    if tuning + head < 1:
        return ""
    of_head = f"; {head:.0f} of them for the shared head, since all rows run through the model once" if head > 1 else ""
    clients = counted(len(members), "client")
    return f"estimate: about {tuning + head:.0f} min to train {clients}, {at_once} at a time{of_head}"


@contextmanager
def workers(clients: int, config: RunConfig, bars: PhaseBars, short: bool = True) -> Iterator[Pool]:
    """Workers for so many clients, with bars around all that they do.

    A short command, which only trains, takes processes of this machine where its CPUs are asked for: Ray's own start
    would cost it as much as its work.
    """
    start = local_session if short and config.device == "cpu" and not config.ray_address else ray_session
    with bars, start(clients, config) as pool:
        yield pool
        bars.finish()


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
    with Ledger.open(ledger, read_only=True) as opened:
        members, removed = opened.members(), removed_clients(receipt.body for receipt in opened.receipts())
        waiting = set(members) - log.joined | {body.client for body in log.settled(opened)} if log else set()
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
