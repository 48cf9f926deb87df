"""What a node's configuration says of its client: the keys of `--node-config`, and those that a simulation sets."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import check_unicode, hyphened
from fedsift.protocol.messages import Wish
from fedsift.studies.optout.scenario import MISBEHAVIOURS, OFFLINE

_SOURCE = "node-config"
_SCHEDULE = "schedule"  # An empty one is one in which the client stays as it is.
# Flower reads a value without quotes as TOML does: 1.10 is the number 1.1 then, and true no text.
_EXPECTED = {
    str: "a text that is not empty, in quotes, such as {key}='1.10'",
    int: "a whole number from 0 on",
    bool: "true or false",
}


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """Who a node is. Names are written with hyphens.

    Attributes:
        client_id: of the client; empty for the one at `partition_id`.
        client_folder: a deployed client's own folder, where masks and the wish to leave are kept.
        data: where its own rows are, for a client that brings them.
        model: where the model lies on this machine, if not where the run has it.
        partition_id, num_partitions: Flower's own for simulated nodes: the client's place in the data set, -1 where
            nothing says it, and of how many.
        mask_folder, vector_folder: of simulated clients: where masks and plain task vectors are kept.
        leave_round: the first round in which a leaver may leave.
        held_out: whether the client never joins.
        schedule: what the client does round by round (`read_schedule`); None: it decides by itself.
        misbehaviour: what its reruns do wrong.
    """

    client_id: str = ""
    client_folder: str = ""
    data: str = ""
    model: str = ""
    partition_id: int = -1
    num_partitions: int = 0
    mask_folder: str = ""
    vector_folder: str = ""
    leave_round: int = 0
    held_out: bool = False
    schedule: str | None = None
    misbehaviour: str = ""

    def __post_init__(self) -> None:
        if not self.client_id and self.partition_id < 0:
            raise BadInput(f"{_SOURCE} has no client-id: say whose node this is")
        if self.misbehaviour and self.misbehaviour not in MISBEHAVIOURS:
            raise unknown_name("misbehaviour", self.misbehaviour, MISBEHAVIOURS)

    @classmethod
    def read(cls, node_config: Mapping[str, Any]) -> "NodeSettings":
        """Check a node's configuration.

        Raises:
            BadInput: an unknown key, a value of the wrong type or out of range, or nothing says who the client is.
        """
        for key, value in node_config.items():
            if key not in _KINDS:
                raise BadInput(f"{_SOURCE}: {unknown_name('key', key, _KINDS)}")
            kind = _KINDS[key]
            if type(value) is not kind or (value == "" and key != _SCHEDULE) or (kind is int and value < 0):
                raise BadInput(f"{_SOURCE}: {key} = {value!r}: expected {_EXPECTED[kind].format(key=key)}")
            if kind is str:
                check_unicode(f"{_SOURCE}: {key}", value)
        return cls(**{key.replace("-", "_"): value for key, value in node_config.items()})


_KINDS: dict[str, Any] = {hyphened(each.name): type(each.default) for each in dataclasses.fields(NodeSettings)}
_KINDS[_SCHEDULE] = str


def read_schedule(text: str) -> dict[int, str]:
    """What a client does in which round, as in "1 join, 3 offline, 4 leave, 7 join"; else it stays as it is.

    Raises:
        BadInput: it is written otherwise.
    """
    rounds = {}
    for entry in text.split(",") if text else ():
        match entry.split():
            case [number, what] if number.isdecimal() and what in (Wish.JOIN, Wish.LEAVE, OFFLINE):
                rounds[int(number)] = what
            case _:
                raise BadInput(f"{_SOURCE}: schedule = {text!r}: expected rounds such as 1 join, 3 offline, 4 leave")
    return rounds
