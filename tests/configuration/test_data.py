import dataclasses

import pytest

from fedsift.configuration.clients_of_run import choose_clients, choose_leavers
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset

CLIENTS = [f"c{index}" for index in range(50)]


def test_people_are_the_default() -> None:
    everybody = Participants.of(RunConfig(), load_dataset(RunConfig()))
    assert (len(everybody.members), len(everybody.newcomers)) == (500, 50)
    few = load_dataset(RunConfig(clients=3))
    assert few.client_ids == everybody.members[:3]
    one, other = few.client_ids[:2]
    assert few.train_examples(other) == load_dataset(RunConfig()).train_examples(other)
    assert few.train_examples(one) != load_dataset(RunConfig(clients=1, seed=1)).train_examples(one)


def test_too_many_clients(tiny_config: RunConfig) -> None:
    dataset = load_dataset(tiny_config)
    assert len(choose_clients(tiny_config, dataset)) == 8
    with pytest.raises(BadInput, match=r"clients = 9: .* has 8 clients"):
        choose_clients(dataclasses.replace(tiny_config, clients=9), dataset)
    with pytest.raises(BadInput, match="at most"):
        load_dataset(RunConfig(clients=10**7))


def test_leavers_are_drawn_from_the_seed() -> None:
    drawn = choose_leavers(RunConfig(leave_count=5), CLIENTS)
    assert len(set(drawn)) == 5
    assert drawn == choose_leavers(RunConfig(leave_count=5), CLIENTS)
    assert drawn != choose_leavers(RunConfig(leave_count=5, seed=1), CLIENTS)
    assert set(drawn) < set(choose_leavers(RunConfig(leave_count=6), CLIENTS))


def test_named_leavers() -> None:
    assert choose_leavers(RunConfig(leave=("c3", "c1", "c3")), CLIENTS) == ("c3", "c1")
    with pytest.raises(BadInput, match="leave: unknown client 'c333'; did you mean"):
        choose_leavers(RunConfig(leave=("c333",)), CLIENTS)
    with pytest.raises(BadInput, match="leave-count = 51: the run has 50 clients"):
        choose_leavers(RunConfig(leave_count=51), CLIENTS)
