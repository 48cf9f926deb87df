import json
from pathlib import Path

import datasets
import pandas
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.data.table import TableDataset, check_texts, open_table, split_by_column
from fedsift.data.template import Template

CELLS = [(7, "one?", "yes"), (3, "two?", "no"), (7, "three?", "maybe")]
ROWS = [dict(zip(("user", "q", "a"), cells, strict=True)) for cells in CELLS]


def write(folder: Path, kind: str) -> Path:
    file, frame = folder / f"rows.{kind}", pandas.DataFrame(ROWS)
    if kind == "csv":
        frame.to_csv(file, index=False)
    elif kind == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    else:
        frame.to_parquet(file)
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
    with pytest.raises(BadInput, match="does not exist"):
        opened(file)
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        opened(file)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match="dataset nobody/nothing:part cannot be read from the hub: "):
        open_table("nobody/nothing:part", {"q": "prompt"})


def test_a_row_with_nothing_in_a_table_in_memory_is_named() -> None:
    table = datasets.Dataset.from_list([*ROWS, {"user": 3, "q": None, "a": "no"}])
    data = TableDataset(table, split_by_column(table, "user"), Template("{q}", "a"))
    assert data.train_examples("7") == [Example("one?", " yes"), Example("three?", " maybe")]
    with pytest.raises(BadInput, match="row 4 has nothing in column 'q'"):
        data.train_examples("3")
