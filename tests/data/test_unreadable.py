"""Files and tables of which no rows are made: one line says where, and what is wrong."""

import datetime
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pytest

from fedsift.core.errors import BadInput
from tests.data.reading import HEAD, ROWS, SOURCES, given_as, rows_in

ROW = b'{"user":"u","q":"q?","a":"x"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", HEAD + b"u,q?,x,5\nv,r?,y,3\n", "line 2 has 4 values, the header 3"),
        ("rows.csv", HEAD + b'"u\nu",q?,x\nv,r?\n', "line 4 has 2 values, the header 3"),
        ("rows.csv", HEAD + b"u,q?,x\n \n", "line 3 has 1 value, the header 3"),
        ("rows.csv", HEAD + b'u,q?,x\nu,"q?,x\nu,r?,y\n', "line 3: unexpected end of data"),
        ("rows.csv", HEAD + b'u,q?,x\nu,"q"?,x\n', "line 3: ',' expected after '\"'; quote the value"),
        ("rows.csv", HEAD + b'u,"q?" ,x\n', "line 2: ',' expected"),
        ("rows.csv", b"user,q,a,q\nu,q?,x,r?\n", "2 columns are called 'q'"),
        ("rows.csv", b"user,q,a,,\nu,q?,x,,\n", "2 columns are called ''"),
        ("rows.csv", b"user;q;a\nu;q?;x\n", "its header is set apart by ';'; write the file with commas"),
        ("rows.csv", b"user, q,a\nu,q?,x\n", "prompt: unknown column 'q'; did you mean ' q'"),
        ("rows.csv", HEAD + b"u,q?,x\nu,q?,\n", "row 2 has nothing in column 'a'"),
        ("rows.csv", HEAD + b'u,q?,x\n"",q?,x\n', "row 2 has nothing in column 'user'"),
        ("rows.csv", HEAD + b"u,caf\xe9,x\n", "line 2 is no valid UTF-8"),
        ("rows.csv", "user,q,a\nü,q?,x\n".encode("utf-16")[:-1], "no valid UTF-16"),
        ("rows.csv", HEAD, "has no rows"),
        ("rows.csv", HEAD[:-1], "has no rows"),
        ("rows.csv", b"", "rows.csv has no rows"),
        ("rows.csv", b"\n\n", "rows.csv has no rows"),
        ("rows.jsonl", b'{"user":"u","q":"q?"}\n', "target: unknown column 'a'"),
        ("rows.jsonl", ROW + b'{"user":"u","q":"q?"}\n', "row 2 has nothing in column 'a'"),
        ("rows.jsonl", ROW + b'{"user":null,"q":"q?","a":"x"}\n', "row 2 has nothing in column 'user'"),
        ("rows.jsonl", b'{"user":"u","q":"q?","a":NaN}\n', "row 1 has nothing in column 'a'"),
        ("rows.jsonl", b'{"user":"u","q":"q?","a":"x","a":"y"}\n', "line 1 is no JSON object: 'a' is in it 2 times"),
        ("rows.jsonl", b'{"user":"u","q":"q?","a":["x"]}\n', "line 1: column 'a' holds a list, .*; join it"),
        ("rows.jsonl", b'{"user":{"id":1},"q":"q?","a":"x"}\n', "line 1: column 'user' holds a struct, expected texts"),
        ("rows.jsonl", b'\n\n{"user":"u","q":"\\ud800","a":"x"}\n', "line 3: column 'q' holds no valid Unicode"),
        ("rows.jsonl", ROW + b'{"user"\n', "line 2 is no JSON object"),
        ("rows.jsonl", b'"u"\n', "line 1 is no JSON object"),
        ("rows.jsonl", b'[{"user":"u","q":"q?","a":"x"}, 7]', "row 2 is no JSON object"),
        ("rows.jsonl", b'[{"user":"u","q":"q?","a":"x"},\n{"user"]', "no JSON array: .* line 2"),
        ("rows.jsonl", b"[" * 100_000, "no JSON array: maximum recursion"),
        ("rows.jsonl", b'{"user":"u","q":"caf\xe9","a":"x"}\n', "line 1 is no valid UTF-8"),
        ("rows.jsonl", b'[{"user":"u","q":"q?","a":"x"},\n{"user":"\xe9"}]', "line 2 is no valid UTF-8"),
        ("rows.jsonl", b"[]", "has no rows"),
        ("rows.parquet", b"PAR1", "cannot be read as parquet"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        rows_in(file)


BAD_COLUMNS = [
    (pa.array([["x"], ["y"]]), "a list|list<"),
    (pa.array([{"x": 1}, {"x": 2}]), "a struct|struct<"),
    (pa.array([b"x", b"y"]), "bytes|binary"),
    (pa.array([datetime.datetime(2024, 1, 1), None]), "a time|timestamp"),
    (pa.array([datetime.date(2024, 1, 1), None]), "a time|date32"),
    (pa.array([datetime.timedelta(1), None]), "a time|duration"),
    (pa.array(["x", None]), "row 2 has nothing in column 'a'"),
    (pa.array(["x", ""]), "row 2 has nothing in column 'a'"),
    (pa.array([1.0, float("nan")]), "row 2 has nothing in column 'a'"),
    (pa.array([None, None]), "row 1 has nothing in column 'a'"),
]


@pytest.mark.parametrize(("column", "message"), BAD_COLUMNS, ids=lambda value: str(getattr(value, "type", "")))
@pytest.mark.parametrize("source", SOURCES)
def test_columns_without_texts(tmp_path: Path, column: pa.Array, message: str, source: str) -> None:
    table = pa.table({"user": ["u", "v"], "q": ["q?", "q?"], "a": column})
    with pytest.raises(BadInput, match=message) as told:
        rows_in(given_as(source, table, tmp_path))
    assert "column 'a'" in str(told.value)


def test_tables_of_other_kinds() -> None:
    rows = datasets.Dataset.from_dict(ROWS)
    for table, message in (
        (ROWS, "the table is a dict; expected a pandas DataFrame"),
        (pd.DataFrame([["u", "q?", "x", "r?"]], columns=["user", "q", "a", "q"]), "2 columns are called 'q'"),
        (pd.DataFrame([["u", "q?", "x"]], columns=["user", 1, "a"]), "column whose name is no text: 1; rename it"),
        (pd.Series(["u"]), "the table is a Series"),
        (datasets.DatasetDict({"train": rows}), "the table is a DatasetDict"),
        (rows.with_transform(lambda rows: rows), "has a transform"),
        (rows.remove_columns("a"), "target: unknown column 'a'"),
    ):
        with pytest.raises(BadInput, match=message):
            rows_in(table)
