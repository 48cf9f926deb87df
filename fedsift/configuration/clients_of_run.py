"""Who takes part in a run of a configuration: its clients, those held out, and those who leave."""

import dataclasses
import shlex
from collections.abc import Collection

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import MOST
from fedsift.core.seeds import derive_seed
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.loading import load_dataset


def choose_clients(config: RunConfig, dataset: FederatedDataset) -> list[str]:
    """The first `clients` clients of the data set; all of them for 0.

    Raises:
        BadInput: the data set has fewer.
    """
    available = dataset.client_ids
    if config.clients > len(available):
        raise BadInput(f"clients = {config.clients}: {config.dataset} has {len(available)} clients")
    return list(available[: config.clients or None])


def choose_newcomers(config: RunConfig, newcomers: int) -> tuple[FederatedDataset, list[str], list[str]]:
    """The clients of a run, and those that follow them in the data, up to `newcomers`, who never join.

    Returns:
        A data set that holds both, the clients, and the newcomers.

    Raises:
        BadInput: a number of them that cannot be, or fewer clients than asked for.
    """
    if not 0 <= newcomers <= MOST:
        raise BadInput(f"newcomers = {newcomers}: give a number of clients from 0 to {MOST:,}")
    dataset = load_dataset(dataclasses.replace(config, clients=config.clients and config.clients + newcomers))
    clients = choose_clients(config, dataset)
    return dataset, clients, list(dataset.client_ids[len(clients) : len(clients) + newcomers])


def choose_leavers(config: RunConfig, clients: list[str]) -> tuple[str, ...]:
    """Who asks to leave: the ids given, or as many clients as the number says, drawn from the seed.

    Raises:
        BadInput: an id that is no client's, to the character, or more leavers than clients.
    """
    if config.leave_count > len(clients):
        raise BadInput(f"leave-count = {config.leave_count}: there are {len(clients)} clients")
    if config.leave_count:
        drawn = sorted(clients, key=lambda client_id: derive_seed(config.seed, "leave", client_id))
        chosen = set(drawn[: config.leave_count])
        return tuple(each for each in clients if each in chosen)
    known = set(clients)
    for each in config.leave:
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
