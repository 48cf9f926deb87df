"""What a node's configuration says of its client: the keys of `--node-config`, and those that a simulation sets."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import check_unicode, hyphened

_SOURCE = "node-config"
# Flower reads a value without quotes as TOML does: 1.10 is the number 1.1 then, and true no text.
_EXPECTED = {
    str: "a text that is not empty, in quotes, such as {key}='1.10'",
    int: "a whole number from 0 on",
    bool: "true or false",
}


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Who a node is. Names are written with hyphens."""

    client_id: str = ""  # of the client; empty for the one at `partition_id`
    client_folder: str = ""  # a deployed client's own folder, where masks and the wish to leave are kept
    data: str = ""  # where its own rows are, for a client that brings them
    model: str = ""  # where the model lies on this machine, if not where the run has it
    partition_id: int = -1  # a simulated node's place in the data set, by Flower; -1 where nothing says it
    num_partitions: int = 0  # of how many, likewise by Flower
    mask_folder: str = ""  # of simulated clients: where masks are kept
    vector_folder: str = ""  # and where plain task vectors are
    newcomer: bool = False  # whether the client never joins, and only scores the merged model
    losses: bool = False  # whether a simulated client tells the losses of its tuning

    def __post_init__(self) -> None:
        if not self.client_id and self.partition_id < 0:
            raise BadInput(f"{_SOURCE} has no client-id: say whose node this is")
        if self.losses and self.client_folder:
            raise BadInput(f"{_SOURCE}: losses: a client with a folder of its own tells nobody its losses")

    @classmethod
    def read(cls, node_config: Mapping[str, Any]) -> "NodeConfig":
        """Check Flower's mapping.

        Raises:
            BadInput: an unknown key, a value of the wrong type or out of range, or nothing says who the client is.
        """
        for key, value in node_config.items():
            if key not in _KINDS:
                raise BadInput(f"{_SOURCE}: {unknown_name('key', key, _KINDS)}")
            kind = _KINDS[key]
            if type(value) is not kind or value == "" or (kind is int and value < 0):
                raise BadInput(f"{_SOURCE}: {key} = {value!r}: expected {_EXPECTED[kind].format(key=key)}")
            if kind is str:
                check_unicode(f"{_SOURCE}: {key}", value)
        return cls(**{key.replace("-", "_"): value for key, value in node_config.items()})

    def to_user_config(self) -> dict[str, bool | float | int | str]:
        """Flower's mapping, without what is as by default."""
        return {
            hyphened(each.name): getattr(self, each.name)
            for each in dataclasses.fields(self)
            if getattr(self, each.name) != each.default
        }


_KINDS: dict[str, Any] = {hyphened(each.name): type(each.default) for each in dataclasses.fields(NodeConfig)}
