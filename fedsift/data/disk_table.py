"""Tables that are larger than memory may be: written to disk once, then memory-mapped."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import pyarrow as pa

from fedsift.core.errors import BadInput

_BATCH = 10_000  # rows that are in memory at a time


def batches(rows: Iterator[Sequence[Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows, each with a value for every column."""
    while some := list(islice(rows, _BATCH)):
        columns = zip(zip(*some, strict=True), schema.types, strict=True)
        yield pa.record_batch([pa.array(values, kind) for values, kind in columns], schema=schema)


def on_disk(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """A table of these batches in a temporary file that has no name.

    Nobody else finds it or takes it for that of another source, and it is gone with the process, however that ends.

    Raises:
        BadInput: there is no room for it.
    """
    with ExitStack() as stack:
        with _room():
            file = stack.enter_context(tempfile.TemporaryFile())
            writer = pa.ipc.new_stream(file, schema)
        for batch in batches:
            with _room():
                writer.write_batch(batch)
        with _room():
            writer.close()
            file.flush()
            # By Arrow's own hand: a buffer of Python's that lives as long as the process keeps it from ending.
            mapped = pa.memory_map(f"/dev/fd/{file.fileno()}")
    return pa.ipc.open_stream(mapped).read_all()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise BadInput(
            f"the rows do not fit into {folder}: {error.strerror or error}; set TMPDIR to a folder with room for them"
        ) from error
