"""Who joins and who never does, for every kind of data."""

import dataclasses

import pytest
from hypothesis import given, strategies as st

from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.data.function_dataset import FunctionDataset
from fedsift.data.loading import load_dataset
from fedsift.data.settings import DataSettings

PLUGIN = RunConfig(dataset="module:function")


def of(number: int, test_only: tuple[str, ...] = (), **options: float) -> Participants:
    dataset = FunctionDataset([f"c{place}" for place in range(number)], lambda _: [("p", " t")])
    dataset.test_only = test_only
    return Participants.of(dataclasses.replace(PLUGIN, **options), dataset)  # type: ignore[arg-type]


@given(number=st.integers(1, 60), clients=st.integers(0, 60), newcomers=st.sampled_from([0, 0.1, 0.29, 1, 5]))
def test_everybody_takes_one_part(number: int, clients: int, newcomers: float) -> None:
    wanted = DataSettings(newcomers=newcomers).newcomers_of(clients or number)
    if clients > number or (not clients and wanted >= number):
        with pytest.raises(BadInput, match=r"clients = \d+: .* has \d+ clients?|nobody would be left to join"):
            of(number, clients=clients, newcomers=newcomers)
        return
    found = of(number, clients=clients, newcomers=newcomers)
    assert not set(found.members) & set(found.newcomers)
    if clients:
        assert found.members == [f"c{place}" for place in range(clients)]
        assert len(found.newcomers) == min(wanted, number - clients)
    else:
        assert set(found.everybody) == {f"c{place}" for place in range(number)}
        assert len(found.newcomers) == wanted
    for part in (found.members, found.newcomers):
        assert part == sorted(part, key=lambda client_id: int(client_id[1:]))


def test_newcomers_are_drawn_from_the_seed() -> None:
    found = of(50)
    assert len(found.newcomers) == 5
    assert found == of(50)
    assert found.newcomers != of(50, seed=1).newcomers
    assert set(found.newcomers) < set(of(50, newcomers=9).newcomers)
    assert of(50, clients=10).newcomers != ["c10"]  # one of the others, and not the first


def test_who_has_no_rows_to_tune_on_never_joins() -> None:
    found = of(5, ("c1", "c3"), newcomers=0)
    assert (found.members, found.newcomers) == (["c0", "c2", "c4"], ["c1", "c3"])
    assert of(5, ("c1",), clients=3, newcomers=0) == Participants(["c0", "c2", "c3"], [])
    with pytest.raises(BadInput, match=r"clients = 5: .* has 5 clients, 1 of them without rows to tune on"):
        of(5, ("c1",), clients=5)
    with pytest.raises(BadInput, match="nobody would be left to join"):
        of(1, ("c0",))


def test_further_people_and_parts_of_a_partition(tiny_config: RunConfig) -> None:
    people = RunConfig(clients=20)
    found = Participants.of(people, load_dataset(people))
    assert (len(found.members), found.newcomers) == (20, ["person-0020", "person-0021"])
    parts = dataclasses.replace(tiny_config, client_column="", partition="iid", clients=10)
    found = Participants.of(parts, load_dataset(parts))
    assert (len(found.members), len(found.newcomers)) == (9, 1)


@pytest.mark.parametrize("newcomers", [-0.1, 1.5, 10**10, float("nan")])
def test_a_share_or_a_whole_number(newcomers: float) -> None:
    with pytest.raises(BadInput, match="newcomers = "):
        RunConfig(newcomers=newcomers)


def test_a_newcomer_cannot_leave() -> None:
    config = dataclasses.replace(PLUGIN, leave=("c1",))
    with pytest.raises(BadInput, match="leave: client 'c1' is a newcomer, which never joins"):
        choose_leavers(config, ["c0"], ["c1"])
