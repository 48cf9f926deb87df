"""Who joins a run of a configuration, and who leaves."""

import shlex
from collections.abc import Collection

from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted, unknown_name
from fedsift.core.seeds import derive_seed
from fedsift.data.federated_dataset import FederatedDataset


def choose_clients(config: RunConfig, dataset: FederatedDataset) -> list[str]:
    """The members of a run; raises as `Participants.of`."""
    return Participants.of(config, dataset).members


def choose_leavers(config: RunConfig, clients: list[str], newcomers: Collection[str] = ()) -> tuple[str, ...]:
    """Who asks to leave: the ids given, or as many clients as the number says, drawn from the seed.

    Args:
        config: says it.
        clients: the members.
        newcomers: who takes part beside them.

    Raises:
        BadInput: an id that is no member's, to the character, or more leavers than members.
    """
    if config.leave_count > len(clients):
        raise BadInput(f"leave-count = {config.leave_count}: the run has {counted(len(clients), 'client')}")
    if config.leave_count:
        drawn = sorted(clients, key=lambda client_id: derive_seed(config.seed, "leave", client_id))
        chosen = set(drawn[: config.leave_count])
        return tuple(each for each in clients if each in chosen)
    known = set(clients)
    for each in config.leave:
        if each in newcomers:
            raise BadInput(f"leave: client {each!r} is a newcomer, which never joins; newcomers = 0 lets all join")
        if each not in known:
            raise BadInput(f"leave: {unknown_name('client', each, clients)}{_meant_perhaps(each, known)}")
    return tuple(dict.fromkeys(config.leave))


def _meant_perhaps(given: str, known: Collection[str]) -> str:
    """What else a text may have been meant for that is the id of no client: a number of them, or several ids."""
    if given.isascii() and given.isdecimal() and not given.startswith("0"):
        return f"; for a number of clients: --leave-count {given}"
    parts = [part if part in known else part.strip() for part in given.split(",")]
    ids = [part for part in parts if part]
    if ids and "," in given and all(part in known for part in ids):
        return f"; for several: {' '.join(f'--leave {shlex.quote(part)}' for part in ids)}"
    return ""
