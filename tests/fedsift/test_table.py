import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from fedsift.errors import BadInput
from fedsift.examples import Example
from fedsift.table import TableDataset

ROWS = [
    {"user": 7, "q": "one?", "a": "yes"},
    {"user": 3, "q": "two?", "a": "no"},
    {"user": 7, "q": "three?", "a": "maybe"},
]


def write(folder: Path, kind: str) -> Path:
    file = folder / f"rows.{kind}"
    if kind == "csv":
        file.write_text("user,q,a\n7,one?,yes\n3,two?,no\n7,three?,maybe\n", encoding="utf-8")
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_are_grouped_by_client(tmp_path: Path, kind: str) -> None:
    table = TableDataset(write(tmp_path, kind), "user", "Q: {q}\nA:", "a")
    assert table.client_ids == ["7", "3"]  # in order of appearance
    assert table.examples("7") == [Example("Q: one?\nA:", " yes"), Example("Q: three?\nA:", " maybe")]
    assert table.examples("3") == [Example("Q: two?\nA:", " no")]


def test_a_prompt_that_ends_in_white_space_gets_no_other(tmp_path: Path) -> None:
    table = TableDataset(write(tmp_path, "csv"), "user", "{q} {{literal}}\n", "a")
    assert table.examples("3") == [Example("two? {literal}\n", "no")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("usr", "{q}", "a"), "client-column: unknown column 'usr'; did you mean 'user'"),
        (("user", "{question}", "a"), "prompt: unknown column 'question'"),
        (("user", "{q}", "answer"), "target: unknown column 'answer'"),
        (("user", "no column", "a"), "names no column"),
        (("user", "{q", "a"), "literal braces"),
        (("user", "{}", "a"), "prompt: unknown column ''"),
    ],
)
def test_bad_options(tmp_path: Path, options: tuple[str, str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        TableDataset(write(tmp_path, "jsonl"), *options)


@pytest.mark.parametrize("column", ["user", "q", "a"])
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_cell_names_its_row(tmp_path: Path, column: str, empty: str | None) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"user": "u", "q": "q", "a": "a"}, {"user": "u", "q": "q", "a": "a", column: empty}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(BadInput, match=f"row 2 has nothing in column '{column}'"):
        TableDataset(file, "user", "{q}", "a")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", "x", "expected one of"),
        ("rows.jsonl", "{broken", "cannot be read as jsonl"),
        ("rows.parquet", "no parquet", "cannot be read as parquet"),
        ("rows.csv", "user,q,a\n", "has no rows"),
        ("rows.jsonl", "", "has no rows"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        TableDataset(file, "user", "{q}", "a")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        TableDataset(tmp_path / "rows.csv", "user", "{q}", "a")
