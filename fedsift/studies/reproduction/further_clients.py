"""Clients of the data that take no part in an experiment, for what is to be known of others beforehand."""

from collections.abc import Sequence

from fedsift.configuration.clients_of_run import choose_newcomers
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.studies.training_cache import TrainingCache


def further_clients(cache: TrainingCache, number: int) -> dict[str, Sequence[Row]]:
    """The training rows of the clients that follow the cache's in the data, by id; up to `number`, at least one.

    Raises:
        BadInput: the data have no client beyond the cache's.
    """
    dataset, _, further = choose_newcomers(cache.config, number)
    if not further:
        raise BadInput(
            f"clients = {len(cache.clients)}: all that the data have; this experiment needs further ones that take no "
            "part, so give a smaller number"
        )
    return {client_id: dataset.train_examples(client_id) for client_id in further}
