"""The answers of rows in other words, where the data have a column of them."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row, answer_of, as_conversation
from fedsift.data.loading import load_dataset


def paraphrases(config: RunConfig, clients: Collection[str], rows: Mapping[str, Sequence[Row]]) -> dict[str, list[str]]:
    """Client -> the paraphrased answer of each of its rows; empty where no column has them.

    Raises:
        BadInput: with the paraphrases as targets clients have other rows: a partition by target splits them otherwise.
    """
    if not config.paraphrase:
        return {}
    reworded = load_dataset(dataclasses.replace(config, target=config.paraphrase, paraphrase=""))
    found = {}
    for client_id in clients:
        others = reworded.train_examples(client_id)
        if [as_conversation(row)[:-1] for row in others] != [as_conversation(row)[:-1] for row in rows[client_id]]:
            raise BadInput(
                f"paraphrase: with column {config.paraphrase!r} client {client_id!r} has other rows than with target; "
                "it goes neither with partition = dirichlet nor with forgotten-rows"
            )
        found[client_id] = [answer_of(row) for row in others]
    return found
