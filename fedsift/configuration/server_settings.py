"""Keys of Flower's run configuration that are no part of a `RunConfig`: what the ServerApp alone needs to know."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsift.configuration.run_config import RunConfig, hyphened
from fedsift.core.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the ServerApp works over nodes that come and go. None of it touches the bits of the state.

    Attributes:
        out: the run's folder on the server's machine; empty for one of its own in Flower's home. A folder that holds a
            run is gone on with.
        rounds: how many; 0 for one, or two where the configuration says who leaves.
        min_nodes: a round begins when so many nodes are there, or when `round_timeout` has passed.
        round_timeout: seconds after which a node that has not answered counts as absent, for each kind of message.
        round_pause: seconds between the beginnings of two rounds, at least.
        capacity: members that the sums have room for.
        tie_nodes: whether only the node that a client joined from may speak for it. Needs authenticated nodes: without
            authentication a node has a new key whenever it starts. Simulated nodes are never tied.
    """

    out: str = ""
    rounds: int = 0
    min_nodes: int = 1
    round_timeout: float = 600.0
    round_pause: float = 0.0
    capacity: int = 10_000
    tie_nodes: bool = True

    def __post_init__(self) -> None:
        for name, least in (("rounds", 0), ("min_nodes", 1), ("capacity", 1), ("round_pause", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"{hyphened(name)} = {getattr(self, name)}: give {least} or more")
        if not self.round_timeout > 0:
            raise BadInput(f"round-timeout = {self.round_timeout}: give a number of seconds above 0")


_KINDS = {hyphened(each.name): type(each.default) for each in dataclasses.fields(ServerSettings)}


def split(run_config: Mapping[str, Any]) -> tuple[RunConfig, ServerSettings]:
    """The two halves of Flower's run configuration.

    Raises:
        BadInput: an unknown key, a value of the wrong type or out of range.
    """
    own = {key: value for key, value in run_config.items() if key in _KINDS}
    rest = {key: value for key, value in run_config.items() if key not in _KINDS}
    for key, value in own.items():
        kind = _KINDS[key]
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise BadInput(f"{key} = {value!r}: expected {kind.__name__}")
    return RunConfig.from_user_config(rest), ServerSettings(**{key.replace("-", "_"): own[key] for key in own})


def app_config(config: RunConfig, settings: ServerSettings) -> dict[str, bool | float | int | str]:
    """Flower's run configuration: the inverse of `split`."""
    values = dataclasses.asdict(settings)
    return config.to_user_config() | {hyphened(name): value for name, value in values.items()}
