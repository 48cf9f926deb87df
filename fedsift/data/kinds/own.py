"""The data of a deployment, whose clients bring their own."""

import numpy as np

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.user_code import is_user_code
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.held_out import with_held_out_rows
from fedsift.data.kind import DataKind
from fedsift.data.kinds.plugin import load_plugin
from fedsift.data.source import Source
from fedsift.data.template import row_maker

EACH_ITS_OWN = "own"


class Own(DataKind):
    """Each node's `data` says where its rows are."""

    names = (EACH_ITS_OWN,)
    uses = ("prompt", "target", "messages", "group_column")

    def check(self, settings: Source) -> None:
        """What to learn from a row has to be said."""
        if not settings.says_what_to_learn:
            raise BadInput("dataset own: each node's rows are one client's; give prompt and target, or messages")

    def load(self, settings: Source) -> FederatedDataset:
        """Nothing: the server has no rows."""
        raise BadInput('dataset = "own": in a deployment clients bring their data; a simulation needs a data set')


def dataset_of_client(settings: Source, source: str, client_id: str) -> FederatedDataset:
    """The data set of a client that brings its own, with rows to score on as in a simulation.

    `source` is a csv, jsonl or parquet file, all of whose rows are the client's, and then the settings say `prompt` and
    `target` or `messages`, perhaps `group_column`; or "package.module:function", as for a whole data set.

    Raises:
        BadInput: the rows cannot be read, or are not this client's.
    """
    if is_user_code(source):
        if settings.group_column:
            raise BadInput(f"data {source}: its rows have no columns; group-column belongs to files of rows")
        dataset = load_plugin(source)
        if client_id not in set(dataset.client_ids):
            raise BadInput(f"data {source}: {unknown_name('client', client_id, dataset.client_ids)}")
        return with_held_out_rows(dataset, settings)
    if not (client_id and settings.says_what_to_learn):
        raise BadInput(
            f"data {source}: whose they are says client-id, and what to learn from a row prompt and target, or messages"
        )
    from fedsift.data.table import TableDataset, check_texts, open_table, test_rows

    template = row_maker(settings.prompt, settings.target, settings.messages)
    columns = {**template.columns}
    if settings.group_column:
        columns[settings.group_column] = "group-column"
    table = open_table(source, columns)
    check_texts(table, columns, source)
    split = {client_id: np.arange(len(table))}
    return with_held_out_rows(TableDataset(table, split, template, test_rows(table, settings)), settings)
