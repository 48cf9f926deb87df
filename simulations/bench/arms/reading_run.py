"""An arm of the reading bench: reads a csv once, in a process of its own."""

import time
from typing import Any

import pyarrow.csv
from flwr.app import UserConfig

from fedsift.data.table import TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template
from fedsift.simulations.bench.reading import FEDSIFT
from fedsift.studies.bench.processes import answer, memory

_KEPT = "RssAnon"  # of this process, without the files that it maps; Linux alone tells it


def measure(_: UserConfig, arm: str, file: str) -> dict[str, Any]:
    """Seconds until the rows can be asked for, and the memory that then is kept, mapped files apart, in MiB."""
    before, started = memory(_KEPT) or 0.0, time.perf_counter()
    kept = _rows_by_client(file) if arm == FEDSIFT else pyarrow.csv.read_csv(file)
    seconds = time.perf_counter() - started
    after = memory(_KEPT) or 0.0
    del kept
    return {"read": seconds, "kept": after - before}


def _rows_by_client(file: str) -> TableDataset:
    template = Template("{question}", "answer")
    columns = {**template.columns, "user": "client-column"}
    table = open_table(file, columns)
    check_texts(table, columns, file)
    return TableDataset(table, split_by_column(table, "user"), template)


if __name__ == "__main__":
    answer(measure)
