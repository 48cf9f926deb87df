"""From a configuration to the clients' data."""

import dataclasses
import hashlib
import shlex
from collections.abc import Collection
from pathlib import Path

import numpy as np

from fedsift.configuration.run_config import MOST, OWN, RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.seeds import derive_seed
from fedsift.core.user_code import is_user_code
from fedsift.data.federated_dataset import FederatedDataset, HeldOutRows
from fedsift.data.paper_clients import load_paper_setting
from fedsift.data.paper_settings import PAPER_SETTINGS
from fedsift.data.partition import partition_dirichlet, partition_iid
from fedsift.data.people.dataset import PeopleDataset
from fedsift.data.plugin import load_plugin
from fedsift.data.table import Split, TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template

DEFAULT_PEOPLE = 500


def load_dataset(config: RunConfig) -> FederatedDataset:
    """The data set that a configuration names."""
    dataset = _whole(config)
    return HeldOutRows(dataset, config.test_share, config.seed) if config.test_share else dataset


def _whole(config: RunConfig) -> FederatedDataset:
    if config.dataset == "people":
        return PeopleDataset(derive_seed(config.seed, "people"), config.clients or DEFAULT_PEOPLE)
    if config.dataset == OWN:
        raise BadInput('dataset = "own": in a deployment clients bring their data; a simulation needs a data set')
    if config.dataset in PAPER_SETTINGS:
        return load_paper_setting(config.dataset, config.data_file, config.clients)
    if is_user_code(config.dataset):
        return load_plugin(config.dataset)
    return _table(config)


def _table(config: RunConfig) -> TableDataset:
    template = Template(config.prompt, config.target)
    columns = {**template.columns}
    if config.client_column:
        columns[config.client_column] = "client-column"
    table = open_table(config.dataset, columns)
    check_texts(table, columns, config.dataset)
    seed = derive_seed(config.seed, "partition")
    split: Split
    if config.client_column:
        split = split_by_column(table, config.client_column)
    elif config.partition == "iid":
        split = partition_iid(len(table), config.clients, seed)
    else:
        split = partition_dirichlet(table.column(config.target).to_pylist(), config.clients, config.alpha, seed)
    return TableDataset(table, split, template)


def data_files_digest(config: RunConfig) -> str:
    """SHA-256 of the files that the data are read from, in hexadecimal; empty for data of another kind."""
    files = [name for name in (config.dataset, config.data_file) if name and Path(name).is_file()]
    digests = []
    for name in files:
        with Path(name).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return " ".join(digests)


def own_dataset(config: RunConfig, source: str, client_id: str) -> FederatedDataset:
    """The data set of a client that brings its own.

    Args:
        config: with `prompt` and `target`, for a table.
        source: a csv, jsonl or parquet file, all of whose rows are the client's; or "package.module:function", as for
            a whole data set.
        client_id: whose rows they are.

    Raises:
        BadInput: the rows cannot be read, or are not this client's.
    """
    if is_user_code(source):
        dataset = load_plugin(source)
        if client_id not in set(dataset.client_ids):
            raise BadInput(f"data {source}: {unknown_name('client', client_id, dataset.client_ids)}")
        return dataset
    if not (client_id and config.prompt and config.target):
        raise BadInput(f"data {source}: whose they are says client-id, and what to learn from a row prompt and target")
    template = Template(config.prompt, config.target)
    table = open_table(source, template.columns)
    check_texts(table, template.columns, source)
    return TableDataset(table, {client_id: np.arange(len(table))}, template)


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
