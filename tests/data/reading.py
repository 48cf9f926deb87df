"""Reads a table of columns user, q and a as a run does: ids, and each one's rows as they came."""

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet

from fedsift.data.memory_table import text_table
from fedsift.data.table import TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template

TEMPLATE = Template("{q}", "a")
COLUMNS = {**TEMPLATE.columns, "user": "client-column"}
Rows = dict[str, list[tuple[str, str]]]
HEAD = b"user,q,a\n"
ROWS = {"user": ["b", "a", "b", "c"], "q": ["1", "2", "3", "4"], "a": ["w", "x", "y", "z"]}
SOURCES = ("parquet", "arrow", "datasets", "pandas")


def rows_in(source: Any) -> Rows:
    """The rows of a file (by path) or of a table in memory; a target without the space that sets it off."""
    table = open_table(str(source), COLUMNS) if isinstance(source, Path) else text_table(source, COLUMNS)
    check_texts(table, COLUMNS, "the table")
    data = TableDataset(table, split_by_column(table, "user"), TEMPLATE)
    rows = {client_id: data.train_examples(client_id) for client_id in data.client_ids}
    return {each: [(prompt, target.removeprefix(" ")) for prompt, target in rows[each]] for each in rows}


def given_as(source: str, table: pa.Table, folder: Path) -> Any:
    """A table as one of `SOURCES`; a file with two rows to a group."""
    if source == "parquet":
        file = folder / "rows.parquet"
        pyarrow.parquet.write_table(table, file, row_group_size=2)
        return file
    return {"arrow": lambda: table, "datasets": lambda: datasets.Dataset(table), "pandas": table.to_pandas}[source]()
