"""A column of conversations: a row is what stands in its cell, whatever the table's format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas
import pyarrow as pa
import pytest
from pyarrow import parquet

from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset
from fedsift.data.settings import DataSettings
from fedsift.data.table import TableDataset, split_by_column
from fedsift.data.template import Conversations

SHORT = [{"role": "user", "content": 'a "quoted", text\n'}, {"role": "assistant", "content": "é"}]
LONG = [{"role": "system", "content": "s"}, *SHORT, *SHORT]
ROWS = [{"who": "ann", "chat": SHORT}, {"who": "ann", "chat": LONG}]


def as_csv(path: Path) -> Path:
    file = path / "rows.csv"
    pandas.DataFrame({"who": "ann", "chat": [json.dumps(row["chat"]) for row in ROWS]}).to_csv(file, index=False)
    return file


def as_jsonl(path: Path) -> Path:
    file = path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return file


def as_parquet(path: Path) -> Path:
    file = path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist(ROWS), file)
    return file


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_parquet])
def test_files(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    file = str(write(tmp_path))
    data = load_dataset(DataSettings(dataset=file, client_column="who", messages="chat", test_share=0))
    assert data.train_examples("ann") == [SHORT, LONG]


@pytest.mark.parametrize(
    "table", [pandas.DataFrame(ROWS), datasets.Dataset.from_list(ROWS), pa.Table.from_pylist(ROWS)]
)
def test_tables_in_memory(table: Any) -> None:
    data = TableDataset(table, split_by_column(table, "who"), Conversations("chat"))
    assert data.train_examples("ann") == [SHORT, LONG]


@pytest.mark.parametrize("cell", ["no JSON", "3", "[]", '"text"', '["text"]', "{}"])
def test_a_cell_that_holds_none(cell: str) -> None:
    table = pa.table({"who": ["ann"], "chat": [cell]})
    data = TableDataset(table, split_by_column(table, "who"), Conversations("chat"))
    with pytest.raises(BadInput, match=r"^row 1 has no (JSON|conversation) in column 'chat'"):
        data.train_examples("ann")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prompt": "{q}", "target": "a"}, "messages excludes prompt and target"),
        ({"client_column": "", "partition": "dirichlet", "clients": 2}, "dirichlet splits by target"),
        ({"dataset": "people", "client_column": ""}, "messages belongs to own or a csv, jsonl or parquet file"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        DataSettings(**{"dataset": "rows.csv", "client_column": "who", "messages": "chat", **options})
