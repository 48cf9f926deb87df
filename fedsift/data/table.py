"""Client data from tables of texts: from files, from the hub, and from memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.shares import is_drawn
from fedsift.data.columns import Columns
from fedsift.data.csv_file import read_csv
from fedsift.data.file_names import kind_of_file
from fedsift.data.hub import load_from_hub
from fedsift.data.json_file import read_json
from fedsift.data.memory_table import text_table
from fedsift.data.parquet_file import read_parquet
from fedsift.data.source import Source
from fedsift.data.table_rows import MANY, TableRows
from fedsift.data.template import RowMaker

# Which rows of a table belong to which client, in the clients' order; each client's rows of shape (rows,).
Split = Mapping[str, NDArray[np.intp]]


class TableDataset:
    """The rows of a table, split into clients. Examples are made of them when they are asked for."""

    def __init__(
        self, table: Any, split: Split, template: RowMaker, test_rows: NDArray[np.bool_] | None = None
    ) -> None:
        """Put a table and its split together.

        Args:
            table: a pandas DataFrame, a `datasets.Dataset` or a pyarrow Table.
            split: the rows of each client, as `split_by_column` or a partition makes it.
            template: makes an example of a row: a `Template`.
            test_rows: whether a row is for scoring alone, shape (rows,); None where all rows are for both.

        Raises:
            BadInput: the table does not have the template's columns, or one of these has no texts.
        """
        self.client_ids = list(split)
        self.held_out = test_rows is not None
        self._split, self._template, self._test_rows = split, template, test_rows
        self._batches = text_table(table, template.columns).to_batches()
        self._ends = np.cumsum([len(batch) for batch in self._batches])

    @cached_property
    def test_only(self) -> Collection[str]:
        """Clients all of whose rows are for scoring."""
        if self._test_rows is None:
            return frozenset()
        return frozenset(client_id for client_id, rows in self._split.items() if self._test_rows[rows].all())

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """A client's rows to tune on, in the order of the split.

        Raises:
            BadInput: a row has nothing in a column; the message has its number in the table. Of many rows, each is
                only made when it is asked for.
        """
        rows = self._split[client_id]
        return self._examples(rows if self._test_rows is None else rows[~self._test_rows[rows]])

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """A client's rows to be scored on; raises as `train_examples` does."""
        rows = self._split[client_id]
        return self._examples(rows if self._test_rows is None else rows[self._test_rows[rows]])

    def _examples(self, places: NDArray[np.intp]) -> Sequence[Row]:
        rows = TableRows(self._batches, self._ends, places, self._template)
        return rows if len(rows) > MANY else rows.made()


class ClientRows(Mapping[str, NDArray[np.intp]]):
    """A split of a table in which each value of a column is a client: in the order of their first rows."""

    def __init__(self, ids: Sequence[str], codes: NDArray[np.intp]) -> None:
        """Sort rows by client: `codes` has each row's place of its client in `ids`, or -1 for nobody's."""
        self._place = {client_id: place for place, client_id in enumerate(ids)}
        self._rows = np.argsort(codes, kind="stable")
        self._ends = np.cumsum(np.bincount(codes + 1, minlength=len(ids) + 1))

    def __getitem__(self, client_id: str) -> NDArray[np.intp]:
        place = self._place[client_id]
        return self._rows[self._ends[place] : self._ends[place + 1]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)


def split_by_column(table: Any, column: str) -> ClientRows:
    """One client for each text in a column, rows in the table's order.

    Args:
        table: a pandas DataFrame, a `datasets.Dataset` or a pyarrow Table.
        column: has the client's id.

    Raises:
        BadInput: there is no such column, or a row has nothing in it.
    """
    wanted = {column: "client-column"}
    ids = text_table(table, wanted)
    if not len(ids):
        raise BadInput("the table has no rows")
    check_texts(ids, wanted, "the table")
    return ClientRows(*_coded(ids.column(column)))


def test_rows(table: pa.Table, settings: Source) -> NDArray[np.bool_] | None:
    """Which rows are for scoring so that no group is on both sides, whoever has its rows; None without `group_column`.

    A group is drawn with probability `test_share`, by root seed and name alone: what a row is for depends on nothing
    else, neither on other rows nor on who takes part.

    Args:
        table: in whose group column every row has a text.
        settings: group column, test share and root seed.

    Returns:
        Shape (rows,).
    """
    if not settings.group_column:
        return None
    names, codes = _coded(table.column(settings.group_column))
    drawn = [is_drawn(settings.test_share, settings.seed, "test group", name) for name in names]
    return np.array(drawn, np.bool_)[codes]


def _coded(texts: pa.ChunkedArray) -> tuple[list[str], NDArray[np.intp]]:
    """The different texts of a column without nulls, and each row's place among them, shape (rows,)."""
    chunks = texts.dictionary_encode().chunks  # They share one dictionary, that of the last.
    return chunks[-1].dictionary.to_pylist(), np.concatenate([chunk.indices.to_numpy() for chunk in chunks])


def check_texts(table: pa.Table, columns: Columns, source: str) -> None:
    """See that no row has nothing in one of the columns.

    Raises:
        BadInput: one has; the message names column and row.
    """
    for column in columns:
        values = table.column(column)
        empty = compute.fill_null(compute.equal(compute.binary_length(values), 0), True)
        if compute.any(empty).as_py():
            row = compute.index(empty, True).as_py()
            raise BadInput(f"{source}: row {row + 1} has nothing in column {column!r}; fill it or drop the row")


def open_table(name: str, columns: Columns, lists: Collection[str] = ()) -> pa.Table:
    """Some columns of a csv, json or parquet file, or of the train split of a data set on the hub, as texts.

    The hub's are named "owner/name", or "owner/name:subset". A file is read now, to disk, and may change afterwards.
    Columns in `lists` may hold lists of texts. Null is where a row has nothing.

    Raises:
        BadInput: there is no such file, it cannot be read, it has no rows, or the hub does not hand it over.
    """
    kind = kind_of_file(name)
    if kind == "csv":
        table = read_csv(Path(name), columns)
    elif kind == "json":
        table = read_json(Path(name), columns, lists)
    elif kind == "parquet":
        table = read_parquet(Path(name), columns, lists)
    else:
        table = text_table(load_from_hub(name), columns, f"dataset {name}", lists)
    if not len(table):
        raise BadInput(f"dataset {'file ' if kind else ''}{name} has no rows")
    return table
