"""Rows that came as Python objects, kept in a file: what is read from it is what was written, type by type.

A parquet file with a line a row: whose it is (`client`), what for (`use`), and the row as JSON (`row`). There, a text,
a number, a truth value, None and a list are themselves; anything else is an object of one key that says what it is.
Rows to test on are written where a data set has others than those to tune on; a client without any is not scored.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from pyarrow import parquet

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example, Row, shown
from fedsift.core.numbered_rows import HELD_OUT, OWN, NumberedRows
from fedsift.data.disk_table import batches
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.parquet_file import read_parquet
from fedsift.data.table import ClientRows, TableDataset
from fedsift.data.template import Template

_TRAIN, _TEST = "train", "test"
_SCHEMA = pa.schema([("client", pa.string()), ("use", pa.string()), ("row", pa.string())])
_ADVICE = (
    "give texts, numbers, lists, tuples, mappings and NumPy arrays; or put a function that makes the rows into a "
    "module of your own and give its name, as module:function"
)


def write_rows(dataset: FederatedDataset, path: Path) -> None:
    """Write all clients' rows, one client at a time.

    Raises:
        BadInput: a row holds something that would not come back as it was; the message names client and row.
    """
    with parquet.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for batch in batches(_lines(dataset), _SCHEMA):
            writer.write_batch(batch)


class StoredRows:
    """The data set in a file that `write_rows` wrote: a `FederatedDataset`."""

    test_only = ()

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            BadInput: it cannot be read.
        """
        table = read_parquet(path, dict.fromkeys(_SCHEMA.names, "dataset"))
        clients = table.column("client").combine_chunks().dictionary_encode()
        self.client_ids: Sequence[str] = clients.dictionary.to_pylist()
        codes = clients.indices.to_numpy()
        is_test = compute.equal(table.column("use"), _TEST).to_numpy()
        self.held_out = bool(is_test.any())
        uses = {_TRAIN: np.where(is_test, -1, codes), _TEST: np.where(is_test, codes, -1)}
        split = {use: ClientRows(self.client_ids, each) for use, each in uses.items()}
        self._rows = {use: TableDataset(table, each, _JsonRow()) for use, each in split.items()}

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """What a client tunes on."""
        return _counted(self._rows[_TRAIN].train_examples(client_id), OWN)

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """What a client is scored on."""
        if not self.held_out:
            return self.train_examples(client_id)
        return _counted(self._rows[_TEST].train_examples(client_id), HELD_OUT)


def _counted(rows: Sequence[Row], form: str) -> Sequence[Row]:
    """Rows that errors count as they were given, a client at a time; but where they are too many to be made."""
    return NumberedRows(rows, range(len(rows)), form) if isinstance(rows, NumberedRows) else rows


class _JsonRow(Template):
    """Makes a row of a line."""

    def __init__(self) -> None:
        self.columns = {"row": "dataset"}

    def __call__(self, row: Mapping[str, str | None]) -> Row:
        return _meant(json.loads(row["row"] or "null"))


def _lines(dataset: FederatedDataset) -> Iterator[tuple[str, str, str]]:
    for client_id in dataset.client_ids:
        yield from ((client_id, _TRAIN, text) for text in _texts(dataset.train_examples(client_id), client_id))
        if dataset.held_out:
            yield from ((client_id, _TEST, text) for text in _texts(dataset.test_examples(client_id), client_id))


def _texts(rows: Sequence[Row], client_id: str) -> list[str]:
    texts = []
    for number, row in enumerate(rows, start=1):
        try:
            texts.append(json.dumps(_told(row)))
        except (ValueError, RecursionError, BadInput) as error:  # a number of thousands of digits, a list in itself
            problem = error if isinstance(error, BadInput) else f"is no JSON: {error}"
            raise BadInput(f"client {client_id!r}, row {number} {problem}; {_ADVICE}") from error
    return texts


def _told(value: Any) -> Any:
    """What stands in JSON for a value."""
    kind = type(value)
    if kind in (str, int, float, bool, type(None)):
        return value
    if kind is list:
        return [_told(each) for each in value]
    if kind in (tuple, Example):
        return {"pair" if kind is Example else "tuple": [_told(each) for each in value]}
    if kind is dict:
        return {"mapping": [[_told(key), _told(each)] for key, each in value.items()]}
    is_numpy = kind is np.ndarray or isinstance(value, np.generic)
    if is_numpy and not value.dtype.hasobject and np.dtype(value.dtype.str) == value.dtype:  # no fields
        data = base64.b64encode(value.tobytes()).decode()
        return {"array" if kind is np.ndarray else "scalar": [value.dtype.str, value.shape, data]}
    raise BadInput(f"holds {shown(value)}, a {kind.__name__}, which a file would not keep as it is")


def _meant(told: Any) -> Any:
    """The inverse of `_told`."""
    if isinstance(told, list):
        return [_meant(each) for each in told]
    if not isinstance(told, dict):
        return told
    ((kind, value),) = told.items()
    if kind == "mapping":
        return {_meant(key): _meant(each) for key, each in value}
    if kind in ("array", "scalar"):
        dtype, shape, data = value
        array = np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()
        return array if kind == "array" else array[()]
    values = [_meant(each) for each in value]
    return Example(*values) if kind == "pair" else tuple(values)
