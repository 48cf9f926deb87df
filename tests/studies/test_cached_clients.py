"""One method, two drivers: over a federation's messages and over the cache of trainings it comes to the same bits."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from flwr.app import ArrayRecord

from fedsift.configuration.run_config import RunConfig
from fedsift.core.round_schedule import Schedule
from fedsift.protocol.method_rounds import MethodRounds
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.registry import COMPARED, compared_named
from fedsift.studies.cached_clients import CachedClients
from fedsift.studies.training_cache import Session, TrainingCache

CLIENTS = [f"client {number}" for number in range(4)]
SCHEDULE = Schedule(lambda _: 2, rounds=2, sample=0.7)


@pytest.fixture(scope="module")
def cache(
    session: Session, tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingCache]:
    config = dataclasses.replace(tiny_config, clients=len(CLIENTS))
    with TrainingCache(config, tmp_path_factory.mktemp("trainings"), PhaseBars(), session) as cache:
        yield cache


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the federation's clients keep task vectors."""
    return tmp_path_factory.mktemp("vectors")


@pytest.mark.parametrize("name", [*COMPARED, "scaffold+npo"])
def test_both_drivers_come_to_the_same_state(name: str, cache: TrainingCache, pool: WorkerPool, vectors: Path) -> None:
    """All join and hyper-parameters are chosen; then the first one leaves."""
    config = dataclasses.replace(cache.config, leave=CLIENTS[:1])
    here, there = (compared_named(name)(cache.layout) for _ in range(2))
    clients = CachedClients(cache, schedule=SCHEDULE)
    here.change(clients, set(CLIENTS), set())
    scored = here.choose(clients)
    work = here.change(clients, set(), set(CLIENTS[:1]))

    rounds = MethodRounds(there, {1}, SCHEDULE)
    nodes = node_configs({client_id: place for place, client_id in enumerate(CLIENTS)}, vector_folder=vectors)
    grid = RayGrid(pool, nodes, config.to_user_config())
    rounds.start(grid, ArrayRecord(), num_rounds=2, timeout=math.inf)
    merge, removal = rounds.rounds
    assert [merge.failures, removal.failures] == [{}, {}]
    assert here.digest() == there.digest() == removal.state_digest
    assert here.hyper_parameters == there.hyper_parameters
    assert here.members == there.members == set(CLIENTS[1:])
    assert (scored, work.trainings, work.steps) == (merge.validation_scorings, removal.trainings, removal.steps)
