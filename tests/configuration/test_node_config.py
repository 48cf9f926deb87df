"""What `--node-config` says, as Flower reads it from the command line."""

import re
from pathlib import Path

import pytest
from flwr.app import Context, RecordDict
from flwr.common.config import parse_config_args
from hypothesis import given, strategies as st

from fedsift.configuration.node_config import NodeConfig
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.federation.client import Client
from fedsift.protocol.messages import Wish
from fedsift.runtime.ray_grid import node_configs
from fedsift.studies.client_script import ClientScript, Misbehaviour

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
    ("client-id='a' newcomer='false'", "newcomer = 'false': expected true or false"),
    ("client-id='a' newcomer=0", "newcomer = 0: expected true or false"),
    ("client-id='a' misbehaviour='tampered-upload'", "unknown key 'misbehaviour'; valid: "),
    ("client-id='a' schedule='1 leave'", "unknown key 'schedule'; valid: "),
    ("client-id='a' client-fodler='x'", "unknown key 'client-fodler'; did you mean 'client-folder'"),
    ("client_id='a'", "unknown key 'client_id'; did you mean 'client-id'"),
    ("clientid='a'", "unknown key 'clientid'; did you mean 'client-id'"),
    ("client-folder='x'", "has no client-id"),
]


@pytest.mark.parametrize(("argument", "told"), WRONG)
def test_mistakes(argument: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        NodeConfig.read(parse_config_args([argument]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("client_id", ["1.10", "1e5", "true", "0x1F", "007", " a ", "a,b", "=", "é", "None"])
def test_an_id_in_quotes_is_read_as_it_is(client_id: str) -> None:
    assert NodeConfig.read(parse_config_args([f"client-id='{client_id}' client-folder='x'"])).client_id == client_id


@given(clients=st.dictionaries(st.text(min_size=1), st.integers(0, 10**6), max_size=4), newcomers=st.booleans())
def test_what_a_simulation_sets_can_be_read(clients: dict[str, int], newcomers: bool) -> None:
    """Ids that are no valid Unicode come from no data."""
    clients = {each: place for each, place in clients.items() if each.isprintable()}
    nodes = node_configs(clients, clients if newcomers else (), mask_folder=Path("/m"))
    for node, (client_id, place) in zip(nodes, clients.items(), strict=True):
        assert NodeConfig.read(node) == NodeConfig(
            client_id=client_id, partition_id=place, num_partitions=len(clients), mask_folder="/m", newcomer=newcomers
        )


def test_an_id_that_is_no_unicode() -> None:
    with pytest.raises(BadInput, match=re.escape(r"client-id = 'a\udcff': no valid Unicode at character 2")):
        NodeConfig.read({"client-id": "a\udcff"})


def test_a_client_that_the_data_do_not_have(tiny_config: RunConfig) -> None:
    context = Context(1, 1, {"partition-id": 8}, RecordDict(), tiny_config.to_user_config())
    with pytest.raises(BadInput, match="partition-id = 8: 8 clients take part, from 0 on"):
        Client(context)
    context.node_config = {"partition-id": 7}
    assert Client(context).id == "client 7"
    context.node_config = {"client-id": "client 9"}
    with pytest.raises(BadInput, match="node-config: unknown client 'client 9'; did you mean 'client"):
        _ = Client(context).train_examples


@pytest.mark.parametrize("script", [ClientScript({1: Wish.JOIN}), ClientScript(None, Misbehaviour.TAMPERED_UPLOAD)])
def test_no_node_of_production_misbehaves(tiny_config: RunConfig, script: ClientScript) -> None:
    """What a study's client is told, a SuperNode refuses, whatever the message."""
    (key,) = script.to_user_config()
    node = {"client-id": "client 1", **script.to_user_config()}
    with pytest.raises(BadInput, match=f"node-config: unknown key '{key}'"):
        Client(Context(1, 1, node, RecordDict(), tiny_config.to_user_config()))


def test_a_deployed_client_tells_nobody_its_losses() -> None:
    assert NodeConfig.read({"client-id": "ann", "losses": True}).losses
    with pytest.raises(BadInput, match="losses: a client with a folder of its own tells nobody its losses"):
        NodeConfig.read({"client-id": "ann", "client-folder": "ann", "losses": True})
