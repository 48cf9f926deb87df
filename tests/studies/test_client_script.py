"""What a study's client is told, as keys of its node's configuration and as its wish in a round."""

import pytest

from fedsift.core.errors import BadInput
from fedsift.protocol.messages import Wish
from fedsift.studies.client_script import ClientScript, Misbehaviour

LEAVES_LATE = {1: Wish.JOIN, 3: Misbehaviour.OFFLINE, 4: Wish.LEAVE, 7: Wish.JOIN}


@pytest.mark.parametrize(
    "script",
    [
        ClientScript(),
        ClientScript({}),
        ClientScript(LEAVES_LATE),
        ClientScript(misbehaviour=Misbehaviour.DATA_LOST),
        ClientScript({2: Wish.LEAVE}, Misbehaviour.OTHER_HARDWARE),
    ],
)
def test_a_script_passes_through_the_nodes_configuration(script: ClientScript) -> None:
    node = {"client-id": "ann", "partition-id": 3}
    assert ClientScript.split({**node, **script.to_user_config()}) == (script, node)


def test_wishes() -> None:
    script = ClientScript(LEAVES_LATE)
    assert [script.wish("ann", number, member=False) for number in (1, 2, 4)] == [Wish.JOIN, Wish.AWAY, Wish.AWAY]
    assert [script.wish("ann", number, member=True) for number in (1, 2, 4)] == [Wish.STAY, Wish.STAY, Wish.LEAVE]
    assert ClientScript({}).wish("ann", 1, member=False) == Wish.AWAY  # A newcomer.
    for member in (False, True):
        with pytest.raises(BadInput, match="client 'ann' is offline"):
            script.wish("ann", 3, member)
