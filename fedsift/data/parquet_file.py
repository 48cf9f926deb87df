"""Parquet files."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from fedsift.core.errors import BadInput
from fedsift.data.cells import texts_of_columns
from fedsift.data.columns import Columns, check_names
from fedsift.data.disk_table import on_disk
from fedsift.data.file_source import opened


def read_parquet(path: Path, columns: Columns, lists: Collection[str] = ()) -> pa.Table:
    """Some columns of a file, as texts, or lists of them where `lists` says so; null where it has null or NaN.

    Raises:
        BadInput: it cannot be read, or a column's type has no text.
    """
    with opened(path):  # Its errors, but no stream of Python's: Arrow reads in threads.
        try:
            file = parquet.ParquetFile(pa.OSFile(str(path)), page_checksum_verification=True)
            check_names(columns, file.schema_arrow.names, str(path))
            empty = pa.Table.from_batches([], file.schema_arrow)
            schema = texts_of_columns(empty, columns, str(path), lists).schema
            return on_disk(_batches(file, columns, str(path), lists), schema)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise BadInput(f"dataset file {path} cannot be read as parquet: {reason}") from error


def _batches(
    file: parquet.ParquetFile, columns: Columns, source: str, lists: Collection[str]
) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(columns=list(columns)):
        yield from texts_of_columns(pa.Table.from_batches([batch]), columns, source, lists).to_batches()
