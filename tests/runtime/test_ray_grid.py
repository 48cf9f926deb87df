"""The grid with real Ray actors: streaming, replacement of the dead, and no trace of order or number of workers."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict, UserConfig

from fedsift.configuration.run_config import RunConfig
from fedsift.federation.run_state import open_state
from fedsift.protocol import messages
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.protocol.scoring import NEVER
from fedsift.runtime.in_flight import WorkerDied
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.worker import CLIENT_APP
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.sift_masks import SiftMasks

EIGHT = {f"client {place}": place for place in range(8)}
THREE = {f"client {place}": place for place in range(3)}


@pytest.fixture(scope="module")
def config(tiny_config: RunConfig) -> RunConfig:
    return dataclasses.replace(tiny_config, evaluate=False)


def played(pool: WorkerPool, config: RunConfig, nodes: list[UserConfig], rounds: int = 1) -> SiftMasks:
    grid = RayGrid(pool, nodes, config.to_user_config())
    state = open_state(config, None, capacity=len(nodes))
    if config.partial_sums:
        grid.partial_merge = PartialMerge(state.terms, state.ledger.checksum_secret)
    strategy = SiftMasks(state, (), scoring=NEVER)
    strategy.start(grid, ArrayRecord(), num_rounds=rounds)
    return strategy


def state_digest(pool: WorkerPool, config: RunConfig, nodes: list[UserConfig]) -> str:
    return played(pool, config, nodes).state.digest().hex()


@pytest.fixture(scope="module")
def undisturbed(pool: WorkerPool, config: RunConfig) -> str:
    return state_digest(pool, config, node_configs(EIGHT))


def test_partial_sums_leave_no_trace(pool: WorkerPool, config: RunConfig, undisturbed: str) -> None:
    assert state_digest(pool, dataclasses.replace(config, partial_sums=True), node_configs(EIGHT)) == undisturbed


def test_who_fails_beside_one_that_joins_is_asked_again(
    pool: WorkerPool, one_cannot_train: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients whose messages go to a worker together remember each its own."""
    monkeypatch.setattr("fedsift.runtime.ray_grid._UNSENT_PARCELS_PER_SLOT", 1)
    monkeypatch.setattr("fedsift.runtime.ray_grid.slots", lambda _: 1)  # All eight go together.
    summing = dataclasses.replace(one_cannot_train, evaluate=False, partial_sums=True)
    rounds = played(pool, summing, node_configs(EIGHT), rounds=2).rounds
    assert [list(record.failures) for record in rounds] == [["client 5"], ["client 5"]]
    assert [len(record.joined) for record in rounds] == [7, 0]


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "partial_sums"), [(1, False), (4, False), (1, True), (3, True)])
def test_the_workers_leave_no_trace(config: RunConfig, undisturbed: str, workers: int, partial_sums: bool) -> None:
    summing = dataclasses.replace(config, partial_sums=partial_sums)
    assert state_digest(WorkerPool(CLIENT_APP, workers), summing, node_configs(EIGHT)) == undisturbed


def test_the_order_of_replies_leaves_no_trace(pool: WorkerPool, config: RunConfig, undisturbed: str) -> None:
    nodes = [{"partition-id": place, "delay": (0.3, 0, 0.2, 0)[place % 4]} for place in range(8)]
    assert state_digest(pool, config, nodes) == undisturbed
    assert state_digest(pool, config, nodes[::-1]) == undisturbed


def test_another_seed_gives_another_state(pool: WorkerPool, config: RunConfig, undisturbed: str) -> None:
    other = dataclasses.replace(config, seed=1)
    assert state_digest(pool, other, node_configs(EIGHT)) != undisturbed


@pytest.mark.parametrize(
    ("partial_sums", "deadly", "times"),
    [(False, 3, 1), (True, 1, 1), pytest.param(False, 3, 2, marks=pytest.mark.slow)],
)
def test_a_dead_worker_is_replaced_and_its_clients_run_again(
    pool: WorkerPool, config: RunConfig, undisturbed: str, tmp_path: Path, partial_sums: bool, deadly: int, times: int
) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("x\n" * times, encoding="utf-8")
    nodes = node_configs(EIGHT)
    nodes[deadly]["deaths"] = str(deaths)
    assert state_digest(pool, dataclasses.replace(config, partial_sums=partial_sums), nodes) == undisturbed
    assert deaths.read_text(encoding="utf-8") == ""


def test_a_client_that_kills_every_worker_is_told(pool: WorkerPool, config: RunConfig, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("x\n" * 50, encoding="utf-8")
    nodes: list[UserConfig] = [{"partition-id": 0, "deaths": str(deaths)}]
    with pytest.raises(WorkerDied, match="died 3 times"):
        state_digest(pool, config, nodes)


def query(node_id: int) -> Message:
    return Message(RecordDict(), dst_node_id=node_id, message_type=messages.QUERY, group_id="1")


def test_messages_are_made_only_as_workers_get_free(pool: WorkerPool, config: RunConfig) -> None:
    grid = RayGrid(pool, node_configs(EIGHT), config.to_user_config())
    made: list[int] = []

    def queries() -> Iterator[Message]:
        for node_id in grid.get_node_ids():
            made.append(node_id)
            yield query(node_id)

    replies = iter(grid.send_and_receive(queries()))
    next(replies)
    assert len(made) <= 4
    assert len([*replies]) == 7
    assert len(made) == 8


def test_push_and_pull(pool: WorkerPool, config: RunConfig) -> None:
    grid = RayGrid(pool, node_configs(THREE), config.to_user_config())
    ids = grid.push_messages(query(node_id) for node_id in grid.get_node_ids())
    clients = [messages.client_record(reply)["client-id"] for reply in grid.pull_messages(ids)]
    assert clients == ["client 0", "client 1", "client 2"]


def test_a_timeout_is_an_error_not_a_partial_answer(pool: WorkerPool, config: RunConfig) -> None:
    grid = RayGrid(pool, [{"partition-id": 0, "delay": 5.0}], config.to_user_config())
    terms = ConfigRecord({})
    message = Message(RecordDict({"terms": terms}), dst_node_id=grid.get_node_ids()[0], message_type=messages.TRAIN)
    with pytest.raises(TimeoutError, match="did not answer"):
        list(grid.send_and_receive([message], timeout=0.5))


def test_a_broadcast_record_arrives_whole(pool: WorkerPool) -> None:
    """The same object sent to all goes through Ray's object store from the second message on."""
    grid = RayGrid(pool, node_configs(THREE), {})
    record = ArrayRecord({"x": messages.float_array(np.arange(5, dtype=np.float32))})
    sent = [Message(RecordDict({"big": record}), node_id, "query.echo") for node_id in grid.get_node_ids()]
    assert [reply.content["echo"]["big"] for reply in grid.send_and_receive(sent)] == [10.0, 10.0, 10.0]
    assert "big" in sent[2].content
