"""Clients of the data that take no part in an experiment, for what is to be known of others beforehand."""

import dataclasses
from collections.abc import Sequence

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.data.loading import load_dataset
from fedsift.studies.training_cache import TrainingCache


def further_clients(cache: TrainingCache, number: int) -> dict[str, Sequence[Row]]:
    """The training rows of clients of the data that are not the cache's, by id; up to `number`, at least one.

    Raises:
        BadInput: the data have no client beyond the cache's.
    """
    dataset = load_dataset(dataclasses.replace(cache.config, newcomers=number))
    known = {*cache.clients, *dataset.test_only}
    further = [client_id for client_id in dataset.client_ids if client_id not in known][:number]
    if not further:
        raise BadInput(
            f"clients = {len(cache.clients)}: all that the data have; this experiment needs further ones that take no "
            "part, so give a smaller number"
        )
    return {client_id: dataset.train_examples(client_id) for client_id in further}
