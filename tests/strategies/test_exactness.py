"""Whatever joins and leaves there were, an exact method ends in the state of those who are members."""

import pytest
from hypothesis import given, strategies as st

from fedsift.protocol.method import EVERYBODY_ONCE
from fedsift.strategies.registry import COMPARED
from tests.strategies.made_up_clients import LAYOUT, MadeUpClients

EXACT = sorted(name for name, method in COMPARED.items() if method.exact)
CLIENTS = [f"client {number}" for number in range(8)]
HISTORIES = st.lists(st.sets(st.sampled_from(CLIENTS), min_size=1), min_size=1, max_size=5)


@pytest.mark.parametrize("name", EXACT)
@given(history=HISTORIES, seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_any_history_ends_in_the_state_of_its_members(name: str, history: list[set[str]], seeds: list[int]) -> None:
    """In each change, those drawn who are members leave, and the others join."""
    chosen = COMPARED[name].candidates[-1]
    method, clients = COMPARED[name](LAYOUT, chosen), MadeUpClients(seeds[0])
    for drawn in history:
        members = set(method.members)
        method.change(clients, drawn - members, drawn & members)
        assert method.members == members ^ drawn
    never_left = COMPARED[name](LAYOUT, chosen)
    if method.members:
        never_left.change(MadeUpClients(seeds[1]), set(method.members), set())
        assert method.digest() == never_left.digest()
        shared, alike = method.shared(), never_left.shared()
        assert {each: shared[each].tobytes() for each in shared} == {each: alike[each].tobytes() for each in alike}


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_the_digest_tells_members_apart(name: str) -> None:
    digests = set()
    for members in (CLIENTS[:4], CLIENTS[:5], CLIENTS[1:5]):
        method = COMPARED[name](LAYOUT)
        method.change(MadeUpClients(), set(members), set())
        digests.add(method.digest())
    assert len(digests) == 3


@pytest.mark.parametrize("name", sorted(name for name, method in COMPARED.items() if not method.exact))
def test_an_approximate_removal_leaves_another_state(name: str) -> None:
    """The scores fall with what is subtracted for who leaves, so that something is; who leaves shares a shard."""
    method, oracle = COMPARED[name](LAYOUT), COMPARED[name](LAYOUT)
    clients = MadeUpClients(score=lambda client_id, model: float(model[0]) if client_id == "client 1" else 1.0)
    method.change(clients, set(CLIENTS), set())
    before = method.digest()
    work = method.change(clients, set(), {"client 1"})
    oracle.change(clients, set(CLIENTS) - {"client 1"}, set())
    assert len({before, method.digest(), oracle.digest()}) == 3
    # Those of rounds depend on a draw; of S3T it is the mean of many.
    if not method.cost.share_of_rounds and method.cost is not EVERYBODY_ONCE and name != "s3t":
        assert work.trainings == method.cost(len(CLIENTS))
    assert method.members == set(CLIENTS) - {"client 1"}
