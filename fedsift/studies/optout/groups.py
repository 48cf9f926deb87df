"""Groups of clients by a column of their data."""

import dataclasses
import re

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.data.loading import load_dataset
from fedsift.data.table import open_table

# The generated people's first answer holds place and date of birth, as in " Paris, May 1941".
_BIRTH = re.compile(r" (?P<city>.+), (?P<month>\w+) (?P<year>\d+)")


def clients_with(config: RunConfig, column: str, value: str) -> list[str]:
    """All clients of the data that have a value, as text, in one row or more of a column.

    A table has its own columns. The generated people have city, month and year, in which they were born.

    Raises:
        BadInput: the data have no columns, or not this one.
    """
    if config.dataset == "people":
        return _people_born(config, column, value)
    if not config.client_column:
        raise BadInput(
            f"dataset {config.dataset} has no columns to tell clients by; name them (clients = [...]), or give a table "
            "with client-column"
        )
    table = open_table(config.dataset, {config.client_column: "client-column", column: "column"})
    rows = zip(table.column(config.client_column).to_pylist(), table.column(column).to_pylist(), strict=True)
    return list(dict.fromkeys(client_id for client_id, found in rows if found == value))


def _people_born(config: RunConfig, column: str, value: str) -> list[str]:
    if column not in _BIRTH.groupindex:
        raise BadInput(f"{unknown_name('column', column, _BIRTH.groupindex)} in people")
    dataset = load_dataset(dataclasses.replace(config, test_share=0.0))
    births = ((each, _BIRTH.fullmatch(dataset.train_examples(each)[0].target)) for each in dataset.client_ids)
    return [client_id for client_id, birth in births if birth and birth[column] == value]
