"""What `dataset=` takes: a name, a function, or rows in memory, which are then kept in the run's folder.

Workers, and removals years later in other processes, read data by name. So rows in memory are written once, as they
are, into a file that a configuration can name.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from fedsift.api.user_names import user_name
from fedsift.core.errors import BadInput
from fedsift.data.function_dataset import dataset_of
from fedsift.data.memory_table import is_table, text_table
from fedsift.data.stored_rows import write_rows
from fedsift.data.template import row_maker
from fedsift.files.output import ROWS_FILE, TABLE_FILE


def is_in_memory(dataset: Any) -> bool:
    """Whether `dataset` is rows, or has them: neither a name nor a function."""
    return not isinstance(dataset, str | Path) and (is_table(dataset) or not callable(dataset))


def options_of_dataset(dataset: Any, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that name a data set; rows in memory are written into the folder, which is there.

    Args:
        dataset: a name or path as on the command line; a function or class that can be imported; a pandas frame, a
            `datasets.Dataset` or a pyarrow table; a Flower Datasets `FederatedDataset` or partitioner; a mapping from
            client id to rows; or a `fedsift.FederatedDataset`.
        folder: of the run.
        options: the others that are given; of a table, `client_column`, `prompt`, `target`, `messages`,
            `partition` and `group_column` count.

    Raises:
        BadInput: it is something else, its rows cannot be kept as they are, or are no texts where they must be.
    """
    if isinstance(dataset, str | Path):
        return {"dataset": str(dataset)}
    if is_table(dataset):
        return _kept_table(dataset, folder, options)
    if callable(getattr(dataset, "load_partition", None)):
        return _kept_partitions(dataset, folder, options)
    if isinstance(dataset, Mapping) and hasattr(dataset, "column_names"):
        raise BadInput(f"dataset has the splits {', '.join(dataset)}; give one of them, such as dataset['train']")
    if callable(dataset):
        return {"dataset": user_name("dataset", dataset)}
    file = folder / ROWS_FILE
    write_rows(dataset_of(dataset, "dataset"), file)
    return {"dataset": str(file.absolute())}


def _kept_table(table: Any, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the options name, as texts."""
    columns = _columns(options)
    if client_column := options.get("client_column"):
        columns[client_column] = "client_column"
    return _kept([text_table(table, columns, "dataset")], folder)


def _kept_partitions(dataset: Any, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the options name of each partition, and beside them whose it is."""
    if options.get("client_column") or options.get("partition"):
        raise BadInput("client_column and partition have no place here: the partitions of dataset are its clients")
    partitioner = _partitioner(dataset)
    columns = _columns(options)
    client_column = "client"
    while client_column in columns:
        client_column += "_"
    number_of_partitions = partitioner.num_partitions  # Only now does a partitioner know their names.
    natural_ids = getattr(partitioner, "partition_id_to_natural_id", {})

    def tables() -> Iterator[pa.Table]:
        for number in range(number_of_partitions):
            client_id = str(natural_ids.get(number, f"client-{number:04d}"))
            table = text_table(partitioner.load_partition(number), columns, f"partition {number} of dataset")
            yield table.append_column(client_column, pa.array([client_id] * len(table), pa.string()))

    return {**_kept(tables(), folder), "client_column": client_column}


def _partitioner(dataset: Any) -> Any:
    """What splits the data: a partitioner itself, or the one that a `FederatedDataset` of Flower Datasets has."""
    if not hasattr(dataset, "partitioners"):
        return dataset
    split, *others = dataset.partitioners
    if others:
        raise BadInput(f"dataset has several partitioners; give one of them, such as dataset.partitioners[{split!r}]")
    return dataset.partitioners[split]


def _columns(options: Mapping[str, Any]) -> dict[str, str]:
    """Those that the options name, but for whose row it is; each with the option that names it."""
    prompt, target, messages = (options.get(name) or "" for name in ("prompt", "target", "messages"))
    if not (messages or (prompt and target)):
        raise BadInput("a table needs prompt and target: a template such as '{question}', and the column to learn")
    columns = {**row_maker(prompt, target, messages).columns}
    if group_column := options.get("group_column"):
        columns[group_column] = "group_column"
    return columns


def _kept(tables: Iterable[pa.Table], folder: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        writer = None
        for table in tables:
            if writer is None:
                schema = pa.schema([(name, pa.string()) for name in table.column_names])
                writer = stack.enter_context(parquet.ParquetWriter(folder / TABLE_FILE, schema, compression="zstd"))
            writer.write_table(table.cast(writer.schema))
    return {"dataset": str((folder / TABLE_FILE).absolute())}
