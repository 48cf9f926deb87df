"""What is turned off, what is left, and when a shard trains again; on clients whose slices are found by their ids."""

import numpy as np
from hypothesis import given, strategies as st

from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import PoolTraining
from fedsift.strategies.families.clusters import random_cluster
from fedsift.strategies.families.pooled_training import stage_entries
from fedsift.strategies.s3t import S3t
from fedsift.strategies.sisa import Sisa
from tests.strategies.made_up_clients import LAYOUT, SIZE, STEPS, MadeUpClients

SLICES = S3t.slices


def in_slice(place: int, shard: int = 0) -> list[str]:
    """Clients of a slice of a shard."""
    names = (f"client {number}" for number in range(400))
    return [each for each in names if (random_cluster(each, 5), random_cluster(each, 4, "slice")) == (shard, place)]


(A, *_), (B, *_), (C, E, *_), (D, *_) = map(in_slice, range(SLICES))


def chain(*slices: list[str]) -> Vector:
    """What comes of these slices, one after the other, and of nothing else."""
    training = PoolTraining([*slices, *[[]] * (SLICES - len(slices))], in_layers=True)
    ((_, stages),) = MadeUpClients().pooled([training])
    return stages.checkpoints[len(slices) - 1]


def test_stages_own_runs_from_the_top() -> None:
    assert [stage_entries(12, stage, 4) for stage in range(4)] == [slice(9, 12), slice(6, 9), slice(3, 6), slice(0, 3)]
    assert [stage_entries(10, stage, 3) for stage in range(3)] == [slice(6, 10), slice(3, 6), slice(0, 3)]


def test_a_shard_falls_back_until_nothing_is_left() -> None:
    """Of the rotations abcd, bcda, cdab and dabc, c and e sharing a slice: without b, then d, then a, then c."""
    method, clients = S3t(LAYOUT), MadeUpClients()
    assert method.change(clients, {A, B, C, D, E}, set()).trainings == 0
    both = sorted([C, E])
    orders = [[[A], [B], both, [D]], [[B], both, [D], [A]], [both, [D], [A], [B]], [[D], [A], [B], both]]
    assert clients.asked == [PoolTraining(each, in_layers=True) for each in orders]
    assert method.shared()["0"].tobytes() == chain([A], [B], both, [D]).tobytes()
    for leaver, left in ((B, [both, [D], [A]]), (D, [both]), (A, [both])):
        work = method.change(clients, set(), {leaver})
        assert (work.trainings, work.steps) == (0, 0)
        served = method.shared()["0"]
        assert served.tobytes() == chain(*left).tobytes()
        assert np.count_nonzero(served[: SIZE - 3 * len(left)]) == 0
    assert len(clients.asked) == 4
    work = method.change(clients, set(), {C})  # E has nothing left, and trains all four sequences.
    assert (work.trainings, work.steps) == (4 * 1, 4 * SLICES * STEPS)
    assert method.shared()["0"].tobytes() == chain([], [], [E], []).tobytes()
    assert method.change(clients, set(), {E}).trainings == 0
    assert method.shared() == {}


def test_a_shard_that_loses_its_last_member_is_as_if_never_joined() -> None:
    (other, *_) = in_slice(0, shard=1)
    method, alone = S3t(LAYOUT), S3t(LAYOUT)
    method.change(MadeUpClients(), {A, B, other}, set())
    method.change(MadeUpClients(), set(), {A})
    method.change(MadeUpClients(), set(), {B})
    alone.change(MadeUpClients(), {other}, set())
    assert method.digest() == alone.digest()


def test_who_joins_turns_a_shard_on_again() -> None:
    method, clients = S3t(LAYOUT), MadeUpClients()
    method.change(clients, {A, B, C}, set())
    method.change(clients, set(), {B})
    method.change(clients, {D}, set())
    new = S3t(LAYOUT)
    new.change(MadeUpClients(), {A, C, D}, set())
    assert method.digest() == new.digest()


CLIENTS = [f"client {number}" for number in range(12)]
HISTORIES = st.lists(st.sets(st.sampled_from(CLIENTS), min_size=1), min_size=1, max_size=6)


@given(HISTORIES)
def test_nothing_has_seen_who_has_left(history: list[set[str]]) -> None:
    """Whatever joins and leaves there were, all that is kept is what members alone make of it from scratch."""
    method, clients = S3t(LAYOUT), MadeUpClients()
    for drawn in history:
        members = set(method.members)
        method.change(clients, drawn - members, drawn & members)
        assert method.members == members ^ drawn
        for pool in method.pools:
            assert method.members.issuperset(pool.clients)
            if pool.clients:
                assert pool.checkpoints[-1].tobytes() == chain(*pool.slices).tobytes()
        shards = {random_cluster(each, S3t.number) for each in method.members}
        assert method.shared().keys() == {str(shard) for shard in shards}


def test_its_cost_is_the_mean_of_many_removals() -> None:
    """All of 200 clients leave, one by one: trainings as the formula has it within a fifth, SISA's are twice that."""
    everybody = [f"client {number}" for number in range(200)]
    counted = {}
    for kind in (S3t, Sisa):
        method, clients = kind(LAYOUT), MadeUpClients()
        method.change(clients, set(everybody), set())
        counted[kind] = sum(method.change(clients, set(), {each}).trainings for each in everybody)
    assert abs(counted[S3t] / S3t.cost.of_all(200) - 1) < 0.2, counted
    assert 1.5 < counted[Sisa] / counted[S3t] < 3, counted
