"""An arm of the reading bench: reads a csv once, in a process of its own."""

import time
from pathlib import Path
from typing import Any

import pyarrow.csv
from flwr.app import UserConfig

from fedsift.data.table import TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template
from fedsift.simulations.bench.reading import FEDSIFT
from fedsift.studies.bench.processes import answer

_STATUS = Path("/proc/self/status")


def measure(_: UserConfig, arm: str, file: str) -> dict[str, Any]:
    """Seconds until the rows can be asked for, and the memory that then is kept, mapped files apart, in MiB."""
    before, started = _memory(), time.perf_counter()
    kept = _rows_by_client(file) if arm == FEDSIFT else pyarrow.csv.read_csv(file)
    seconds = time.perf_counter() - started
    memory = _memory() - before
    del kept
    return {"read": seconds, "kept": memory}


def _rows_by_client(file: str) -> TableDataset:
    template = Template("{question}", "answer")
    columns = {**template.columns, "user": "client-column"}
    table = open_table(file, columns)
    check_texts(table, columns, file)
    return TableDataset(table, split_by_column(table, "user"), template)


def _memory() -> float:
    """Of this process, without the files that it maps (Linux alone tells it)."""
    if not _STATUS.exists():
        return 0.0
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    answer(measure)
