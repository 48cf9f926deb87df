"""What `--node-config` says, as Flower reads it from the command line."""

import re

import pytest
from fedsift.configuration.node_settings import NodeSettings, read_schedule
from flwr.app import Context, RecordDict
from flwr.common.config import parse_config_args
from hypothesis import given, strategies as st

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.federation.client import Client
from fedsift.runtime.ray_grid import node_configs

WRONG = [
    *(
        (f"client-id={value}", "client-id = .*: expected a text that is not empty, in quotes, such as client-id='1.10'")
        for value in ("1.10", "1e5", "true", "0x1F", "7", "''")
    ),
    ("client-id='a' client-folder=1", "client-folder = 1: expected a text"),
    ("client-id='a' client-folder=''", "client-folder = '': expected a text that is not empty"),
    ("client-id='a' data=1", "data = 1: expected a text"),
    ("client-id='a' model=1.5", "model = 1.5: expected a text"),
    ("partition-id=-1", "partition-id = -1: expected a whole number from 0 on"),
    ("partition-id=1.0", "partition-id = 1.0: expected a whole number"),
    ("partition-id=true", "partition-id = True: expected a whole number"),
    ("partition-id='1'", "partition-id = '1': expected a whole number"),
    ("partition-id=0 num-partitions=-3", "num-partitions = -3"),
    ("client-id='a' held-out='false'", "held-out = 'false': expected true or false"),
    ("client-id='a' held-out=0", "held-out = 0: expected true or false"),
    ("client-id='a' leave-round=1.5", "leave-round = 1.5: expected a whole number"),
    ("client-id='a' misbehaviour='ofline'", "unknown misbehaviour 'ofline'; did you mean 'offline'"),
    ("client-id='a' client-fodler='x'", "unknown key 'client-fodler'; did you mean 'client-folder'"),
    ("client_id='a'", "unknown key 'client_id'; did you mean 'client-id'"),
    ("clientid='a'", "unknown key 'clientid'; did you mean 'client-id'"),
    ("client-folder='x'", "has no client-id"),
]


@pytest.mark.parametrize(("argument", "told"), WRONG)
def test_mistakes(argument: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        NodeSettings.read(parse_config_args([argument]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("client_id", ["1.10", "1e5", "true", "0x1F", "007", " a ", "a,b", "=", "é", "None"])
def test_an_id_in_quotes_is_read_as_it_is(client_id: str) -> None:
    assert NodeSettings.read(parse_config_args([f"client-id='{client_id}' client-folder='x'"])).client_id == client_id


@given(clients=st.dictionaries(st.text(min_size=1), st.integers(0, 10**6), min_size=1, max_size=4))
def test_what_a_simulation_sets_can_be_read(clients: dict[str, int]) -> None:
    """Ids that are no valid Unicode come from no data."""
    clients = {each: place for each, place in clients.items() if each.isprintable()}
    for node in node_configs(clients, {"mask-folder": "m", "vector-folder": "v"}, held_out=clients):
        settings = NodeSettings.read(node)
        assert clients[settings.client_id] == settings.partition_id
        assert settings.held_out


def test_an_id_that_is_no_unicode() -> None:
    with pytest.raises(BadInput, match=re.escape(r"client-id = 'a\udcff': no valid Unicode at character 2")):
        NodeSettings.read({"client-id": "a\udcff"})


def test_a_place_beyond_the_data(tiny_config: RunConfig) -> None:
    context = Context(1, 1, {"partition-id": 8}, RecordDict(), tiny_config.to_user_config())
    with pytest.raises(BadInput, match="partition-id = 8: the data set has 8 clients"):
        Client(context)
    context.node_config = {"partition-id": 7}
    assert Client(context).id == "client 7"


def test_a_client_that_the_data_do_not_have(tiny_config: RunConfig) -> None:
    context = Context(1, 1, {"client-id": "client 9"}, RecordDict(), tiny_config.to_user_config())
    with pytest.raises(BadInput, match="node-config: unknown client 'client 9'; did you mean 'client"):
        _ = Client(context).train_examples


def test_schedules() -> None:
    assert read_schedule("1 join, 3 offline, 4 leave, 7 join") == {1: "join", 3: "offline", 4: "leave", 7: "join"}
    assert read_schedule("") == {}
    for wrong in ("join", "1 join,", "x join", "1 stay", "1  join 2", "-1 join"):
        with pytest.raises(BadInput, match="expected rounds such as 1 join"):
            read_schedule(wrong)
