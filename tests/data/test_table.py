import json
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.data.table import TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template

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


def opened(file: Path, client_column: str = "user", prompt: str = "{q}", target: str = "a") -> TableDataset:
    template = Template(prompt, target)
    columns = {**template.columns, client_column: "client-column"}
    table = open_table(str(file), columns)
    check_texts(table, columns, str(file))
    return TableDataset(table, split_by_column(table, client_column), template)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_are_grouped_by_client(tmp_path: Path, kind: str) -> None:
    data = opened(write(tmp_path, kind), "user", "Q: {q}\nA:", "a")
    assert data.client_ids == ["7", "3"]  # in order of appearance
    assert data.train_examples("7") == [Example("Q: one?\nA:", " yes"), Example("Q: three?\nA:", " maybe")]
    assert data.test_examples("3") == [Example("Q: two?\nA:", " no")]


def test_a_table_made_in_memory() -> None:
    table = datasets.Dataset.from_list(ROWS)
    data = TableDataset(table, split_by_column(table, "user"), Template("{q}", "a"))
    assert data.train_examples("3") == [Example("two?", " no")]


def test_a_prompt_that_ends_in_white_space_gets_no_other(tmp_path: Path) -> None:
    data = opened(write(tmp_path, "csv"), "user", "{q} {{literal}}\n", "a")
    assert data.train_examples("3") == [Example("two? {literal}\n", "no")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("usr", "{q}", "a"), "client-column: unknown column 'usr'; did you mean 'user'"),
        (("user", "{question}", "a"), "prompt: unknown column 'question'"),
        (("user", "{q}", "answer"), "target: unknown column 'answer'"),
        (("user", "no column", "a"), "names no column"),
        (("user", "{q", "a"), "literal braces"),
        (("user", "{}", "a"), "literal braces"),
    ],
)
def test_bad_options(tmp_path: Path, options: tuple[str, str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        opened(write(tmp_path, "jsonl"), *options)


@pytest.mark.parametrize("column", ["user", "q", "a"])
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_cell_names_its_row(tmp_path: Path, column: str, empty: str | None) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"user": "u", "q": "q", "a": "a"}, {"user": "u", "q": "q", "a": "a", column: empty}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(BadInput, match=f"row 2 has nothing in column '{column}'"):
        opened(file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b"{broken", "line 1 is no JSON object: Expecting property name"),
        ("rows.parquet", b"no parquet", "cannot be read as parquet"),
        ("rows.csv", b"user,q,a\n", "has no rows"),
        ("rows.jsonl", b"", "has no rows"),
        ("rows.csv", b"user,q,a\nu,caf\xe9?,yes\n", "rows.csv: line 2 is no valid UTF-8"),
        ("rows.jsonl", b'{"user": "u", "q": "caf\xe9?", "a": "yes"}\n', "rows.jsonl: line 1 is no valid UTF-8"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        opened(file)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        opened(tmp_path / "rows.csv")


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match="dataset nobody/nothing:part cannot be read from the hub: "):
        open_table("nobody/nothing:part", {"q": "prompt"})


def test_a_row_with_nothing_in_a_table_in_memory_is_named() -> None:
    table = datasets.Dataset.from_list([*ROWS, {"user": 3, "q": None, "a": "no"}])
    data = TableDataset(table, split_by_column(table, "user"), Template("{q}", "a"))
    assert len(data.train_examples("7")) == 2
    with pytest.raises(BadInput, match="row 4 has nothing in column 'q'"):
        data.train_examples("3")
