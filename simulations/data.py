"""From a configuration to the clients' data."""

from fedsift.errors import BadInput, unknown_name
from fedsift.federated_dataset import FederatedDataset, PeopleDataset
from fedsift.plugin import load_plugin
from fedsift.seeds import derive_seed
from fedsift.table import TableDataset
from simulations.configuration import RunConfig

DEFAULT_PEOPLE = 500


def load_dataset(config: RunConfig) -> FederatedDataset:
    """The data set that a configuration names."""
    if config.dataset == "people":
        return PeopleDataset(derive_seed(config.seed, "people"), config.clients or DEFAULT_PEOPLE)
    if config.is_plugin:
        return load_plugin(config.dataset)
    return TableDataset(config.dataset, config.client_column, config.prompt, config.target)


def choose_clients(config: RunConfig, dataset: FederatedDataset) -> list[str]:
    """The first `clients` clients of the data set; all of them for 0.

    Raises:
        BadInput: the data set has fewer.
    """
    available = dataset.client_ids
    if config.clients > len(available):
        raise BadInput(f"clients = {config.clients}: {config.dataset} has {len(available)} clients")
    return list(available[: config.clients or None])


def choose_leavers(config: RunConfig, clients: list[str]) -> tuple[str, ...]:
    """Who asks to leave: the ids given, or as many clients as the number says, drawn from the seed.

    Raises:
        BadInput: an id that is no client, or more leavers than clients.
    """
    if isinstance(config.leave, int):
        if config.leave > len(clients):
            hint = f' (for the client with this id, write "{config.leave},")' if str(config.leave) in clients else ""
            raise BadInput(f"leave = {config.leave}: there are {len(clients)} clients{hint}")
        drawn = sorted(clients, key=lambda client_id: derive_seed(config.seed, "leave", client_id))
        chosen = set(drawn[: config.leave])
        return tuple(each for each in clients if each in chosen)
    known = set(clients)
    for each in config.leave:
        if each not in known:
            raise BadInput(f"leave: {unknown_name('client', each, clients)}")
    return tuple(dict.fromkeys(config.leave))
