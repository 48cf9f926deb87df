"""Who takes part in a run of a configuration: its members, and newcomers, who never join and are only scored."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted
from fedsift.core.seeds import derive_seed
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.kinds import kind_of


@dataclass(frozen=True)
class Participants:
    """Who takes part; both in the order of the data."""

    members: list[str]  # who joins
    newcomers: list[str]  # who never joins, and is only scored

    @property
    def everybody(self) -> list[str]:
        """Members, then newcomers."""
        return [*self.members, *self.newcomers]

    @classmethod
    def of(cls, config: RunConfig, dataset: FederatedDataset) -> "Participants":
        """The clients of a run.

        With `clients`, so many of the data are members, the first that have rows to tune on; newcomers are drawn from
        the others by the root seed, as many as there are. Where all are to take part, or rows are split among so many
        clients, newcomers are drawn from all of them; who has no rows to tune on is one besides.

        Raises:
            BadInput: the data have fewer clients, or no member would be left.
        """
        test_only = dataset.test_only
        able = [client_id for client_id in dataset.client_ids if client_id not in test_only]
        clients = 0 if config.partition else config.clients or kind_of(config.dataset).default_clients
        if clients > len(able):
            rest = f", {len(test_only)} of them without rows to tune on" if test_only else ""
            raise BadInput(
                f"clients = {clients}: {config.dataset} has {counted(len(dataset.client_ids), 'client')}{rest}"
            )
        if clients:
            members = able[:clients]
            joined = set(members)
            others = [client_id for client_id in dataset.client_ids if client_id not in joined]
            drawn = _drawn(config, others, config.newcomers_of(clients))
        else:
            drawn = _drawn(config, dataset.client_ids, config.newcomers_of(len(dataset.client_ids))) | set(test_only)
            members = [client_id for client_id in able if client_id not in drawn]
            if not members:
                raise BadInput(
                    f"newcomers = {config.newcomers:g}: {config.dataset} has "
                    f"{counted(len(dataset.client_ids), 'client')}, of whom nobody would be left to join"
                )
        return cls(members, [client_id for client_id in dataset.client_ids if client_id in drawn])


def _drawn(config: RunConfig, client_ids: Iterable[str], number: int) -> set[str]:
    order = sorted(client_ids, key=lambda client_id: derive_seed(config.seed, "newcomer", client_id))
    return set(order[:number])
