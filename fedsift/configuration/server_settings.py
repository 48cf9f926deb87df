"""Keys of Flower's run configuration that are no part of a `RunConfig`: what the ServerApp alone needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import unknown_name
from fedsift.core.options import Effect, Group, Options, Scalar, hyphened, option

_option = partial(option, group=Group.SERVER, effect=Effect.FREE)


@dataclass(frozen=True, kw_only=True)
class ServerSettings(Options):
    """How the ServerApp works over nodes that come and go."""

    out: str = _option(
        "", "The run's folder, new or to go on with, on the server's machine; without, one in Flower's home."
    )
    rounds: int = _option(0, "How many rounds; 0 for one, or two where the configuration says who leaves.", ge=0)
    min_nodes: int = _option(1, "A round begins when so many nodes are there, or after round-timeout.", ge=1)
    round_timeout: float = _option(
        600.0,
        "Seconds after which a node that has not answered counts as absent. They begin anew with each kind of message.",
        gt=0,
    )
    round_pause: float = _option(0.0, "Seconds between the beginnings of two rounds, at least.", ge=0)
    capacity: int = _option(10_000, "Members that the sums have room for.", ge=1)
    tie_nodes: bool = _option(
        True,
        # Without authentication a node has a new key whenever it starts; simulated nodes are never tied.
        "Only the node that a client joined from may speak for it. Needs authenticated nodes.",
    )


def split(run_config: Mapping[str, Scalar]) -> tuple[RunConfig, ServerSettings]:
    """The two halves of Flower's run configuration.

    Raises:
        BadInput: an unknown key, or a value that is not valid.
    """
    of_server, of_run = ({hyphened(name) for name in kind.options()} for kind in (ServerSettings, RunConfig))
    for key in run_config:
        if key not in of_server | of_run:
            raise unknown_name("key", key, of_server | of_run)
    halves = ({key: run_config[key] for key in run_config if key in half} for half in (of_run, of_server))
    return RunConfig.from_user_config(next(halves)), ServerSettings.from_user_config(next(halves))


def app_config(config: RunConfig, settings: ServerSettings) -> dict[str, Scalar]:
    """Flower's run configuration: the inverse of `split`."""
    return config.to_user_config() | settings.to_user_config()
