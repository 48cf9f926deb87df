"""Tables of texts in files or on the Hugging Face hub: a row becomes an example, and belongs to a client."""

import re

from fedsift.core.errors import BadInput
from fedsift.core.seeds import derive_seed
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.file_names import kind_of_file
from fedsift.data.kind import DataKind
from fedsift.data.source import Source
from fedsift.data.template import row_maker

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")


class Table(DataKind):
    """Its clients are named in a column, or are parts of its rows."""

    form = "a csv, jsonl or parquet file, packed or not, or owner/name on the hub"
    uses = ("client_column", "prompt", "target", "paraphrase", "messages", "partition", "group_column")
    in_table = True

    def has_form(self, dataset: str) -> bool:
        """A file by its suffix, or a name on the hub."""
        return bool(kind_of_file(dataset) or _HUB_NAME.fullmatch(dataset))

    def check(self, settings: Source) -> None:
        """Whose row it is, and what to learn from it, has to be said."""
        if not (settings.says_what_to_learn and (settings.client_column or settings.partition)):
            raise BadInput(
                "a table needs client-column, prompt and target: whose row it is, and what to learn from it (or "
                "partition and clients, where it has no natural clients; messages, where its rows are conversations)"
            )
        if settings.paraphrase and not settings.target:
            raise BadInput("paraphrase says in other words what the column target says: give target, too")
        if settings.partition and settings.client_column:
            raise BadInput("client-column and partition exclude each other: the column says whose row it is")
        if settings.partition and not settings.clients:
            raise BadInput("partition needs clients: among how many the rows are split")
        if settings.partition == "dirichlet" and settings.messages:
            raise BadInput("partition = dirichlet splits by target, and conversations have none: give iid")

    def load(self, settings: Source) -> FederatedDataset:
        """All rows, split into clients."""
        from fedsift.data.partition import partition_dirichlet, partition_iid
        from fedsift.data.table import Split, TableDataset, check_texts, open_table, split_by_column, test_rows

        template = row_maker(settings.prompt, settings.target, settings.messages)
        columns = {**template.columns}
        if settings.client_column:
            columns[settings.client_column] = "client-column"
        if settings.group_column:
            columns[settings.group_column] = "group-column"
        if settings.paraphrase:
            columns[settings.paraphrase] = "paraphrase"
        table = open_table(settings.dataset, columns)
        check_texts(table, columns, settings.dataset)
        seed = derive_seed(settings.seed, "partition")
        split: Split
        if settings.client_column:
            split = split_by_column(table, settings.client_column)
        elif settings.partition == "iid":
            split = partition_iid(len(table), settings.clients, seed)
        else:
            labels = table.column(settings.target).to_pylist()
            split = partition_dirichlet(labels, settings.clients, settings.alpha, seed)
        return TableDataset(table, split, template, test_rows(table, settings))
