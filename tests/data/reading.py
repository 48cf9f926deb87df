"""Reads a table of columns user, q and a as a run does: ids, and each one's rows as they came."""

from pathlib import Path
from typing import Any

from fedsift.data.memory_table import text_table
from fedsift.data.table import TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template

TEMPLATE = Template("{q}", "a")
COLUMNS = {**TEMPLATE.columns, "user": "client-column"}
Rows = dict[str, list[tuple[str, str]]]


def rows_in(source: Any) -> Rows:
    """The rows of a file (by path) or of a table in memory; a target without the space that sets it off."""
    table = open_table(str(source), COLUMNS) if isinstance(source, Path) else text_table(source, COLUMNS)
    check_texts(table, COLUMNS, "the table")
    data = TableDataset(table, split_by_column(table, "user"), TEMPLATE)
    return {
        client_id: [(prompt, target.removeprefix(" ")) for prompt, target in data.train_examples(client_id)]
        for client_id in data.client_ids
    }
