"""What comes of what stands in a file or a table: id by id, row by row, byte by byte."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.data.csv_file import read_csv
from fedsift.data.memory_table import text_table
from tests.data.reading import COLUMNS, HEAD, ROWS, SOURCES, Rows, given_as, rows_in


def one(user: str, question: str = "q?", answer: str = "x") -> Rows:
    return {user: [(question, answer)]}


# Cells of a csv, each as an id, as a prompt and as a target.
CELLS = [
    *("007", "7", "1.10", "1.1", "00501", "+4915112345", "1e5", "1E5", "0x10", "-0", "1_000", "١٢"),
    *("True", "true", "FALSE", "NA", "None", "null", "NULL", "n/a", "NaN", "nan", "-", "#N/A", "inf"),
    *("2024-01-01", "2024-01-01T00:00:00Z", "12:30", "1984-03-12 00:00:00"),
    *(" both ", "\ttab\t", "a b", "a'b", 'a"b', "a\\b", "\\N", "é", "e\u0301", "\u200b", "\x00", "😀", "\ufeffx"),
]


@pytest.mark.parametrize("cell", CELLS)
def test_a_csv_cell_is_its_text(tmp_path: Path, cell: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(HEAD + f"{cell},{cell},{cell}\n".encode())
    assert rows_in(file) == one(cell, cell, cell)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEAD + b"u,q?,x", one("u")),  # no line end at the end
        (b"user,q,a\r\nu,q?,x\r\n", one("u")),
        (b"user,q,a\ru,q?,x\r", one("u")),
        (b"\xef\xbb\xbfuser,q,a\nu,q?,x\n", one("u")),
        (b'\xef\xbb\xbf"user",q,a\nu,q?,x\n', one("u")),
        ("user,q,a\nü,q?,x\n".encode("utf-16"), one("ü")),
        ("user,q,a\nü,q?,x\n".encode("utf-32"), one("ü")),
        (b"\xfe\xff" + "user,q,a\nü,q?,x\n".encode("utf-16-be"), one("ü")),
        (HEAD + b'u,"a\r\nb","c\nd"\n', one("u", "a\r\nb", "c\nd")),
        (HEAD + b'u,"say ""hi""","a,b"\n', one("u", 'say "hi"', "a,b")),
        (HEAD + b'u,5" pipe,6" pipe\n', one("u", '5" pipe', '6" pipe')),
        (HEAD + b'"u","q?","x"\n"u","r?","y"\n', {"u": [("q?", "x"), ("r?", "y")]}),
        (HEAD + b"u,q?,x\n\n\nu,r?,y\n\n", {"u": [("q?", "x"), ("r?", "y")]}),
        (b"\n\nuser,q,a\nu,q?,x\n", one("u")),
        (b"a,unused,q,user\nx,,q?,u\n", one("u")),
        (b"a,q,user,\nx,q?,u,\n", one("u")),
        (HEAD + b"u,q?,x\nv,q?,x\nu,r?,y\n", {"u": [("q?", "x"), ("r?", "y")], "v": [("q?", "x")]}),
        (HEAD + b"Ann,q?,x\nann,q?,x\nann ,q?,x\n", {each: [("q?", "x")] for each in ("Ann", "ann", "ann ")}),
        # A reader of blocks sees CR and LF apart.
        (HEAD + b'u,"' + b"x" * ((1 << 20) - 13) + b'\r\n",y\n', one("u", "x" * ((1 << 20) - 13) + "\r\n", "y")),
        (HEAD + b"u,q?," + b"x" * 3_000_000 + b"\nv,q?,x\n", {**one("u", "q?", "x" * 3_000_000), **one("v")}),
    ],
)
def test_csv(tmp_path: Path, content: bytes, expected: Rows) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(content)
    assert rows_in(file) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ('"u","q?","x"', one("u")),
        ('18446744073709551001,"q?","x"', one("18446744073709551001")),
        ('123456789012345678901234567890123,"q?","x"', one("123456789012345678901234567890123")),
        ('-7,"q?",1.50', one("-7", "q?", "1.50")),
        ('1e5,"q?",1E-7', one("1e5", "q?", "1E-7")),
        ('1.0,"q?",-0.0', one("1.0", "q?", "-0.0")),
        ('0.1000000000000000055511151231257827,"q?","x"', one("0.1000000000000000055511151231257827")),
        ('true,"q?",false', one("true", "q?", "false")),
        ('"2024-01-01","2024-01-01T10:00:00Z","1984-03-12"', one("2024-01-01", "2024-01-01T10:00:00Z", "1984-03-12")),
        ('"007"," q ","1.10"', one("007", " q ", "1.10")),
        ('"null","None","NaN"', one("null", "None", "NaN")),
        ('"\\u00fc\\ud83d\\ude00","a\\r\\nb\\u2028","\\u0000"', one("ü😀", "a\r\nb\u2028", "\x00")),
        ('Infinity,"q?",-Infinity', one("Infinity", "q?", "-Infinity")),
    ],
)
@pytest.mark.parametrize("form", ["line", "array"])
def test_json(tmp_path: Path, values: str, expected: Rows, form: str) -> None:
    user, question, answer = values.split(",")
    row = f'{{"user": {user}, "q": {question}, "more": [1, null], "a": {answer}}}'
    file = tmp_path / "rows.json"
    file.write_text(row + "\n" if form == "line" else f"\n[\n{row}\n]\n", encoding="utf-8")
    assert rows_in(file) == expected


def test_a_type_in_one_json_line_does_not_depend_on_the_others(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    users = [*range(20_000), "2024-01-01", 1.5, True, "007"]
    file.write_text("\n".join(json.dumps({"user": user, "q": "q?", "a": "x"}) for user in users), encoding="utf-8")
    assert list(rows_in(file)) == [*map(str, range(20_000)), "2024-01-01", "1.5", "true", "007"]


# Columns that a table in memory or a parquet file may have, and their texts.
TYPED = [
    (pa.array(["007", "2024-01-01"]), ["007", "2024-01-01"]),
    (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
    (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    (pa.array([7, -(2**63), 2**63 - 1]), ["7", "-9223372036854775808", "9223372036854775807"]),
    (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    (pa.array([7], pa.int8()), ["7"]),
    (pa.array([True, False]), ["true", "false"]),
    (pa.array([0.1, 1.0, -0.0, 1e16, 1e22]), ["0.1", "1.0", "-0.0", "1e+16", "1e+22"]),
    (pa.array([0.1, 1.0], pa.float32()), ["0.1", "1.0"]),
    (pa.array(np.array([0.1], np.float16)), ["0.1"]),
    (pa.array([Decimal("1.50"), Decimal("0.01"), Decimal("100.00")]), ["1.50", "0.01", "100.00"]),
    (pa.array([Decimal("0.0000001")]), ["0.0000001"]),
]


@pytest.mark.parametrize(("column", "texts"), TYPED, ids=lambda value: str(getattr(value, "type", "")))
@pytest.mark.parametrize("source", SOURCES)
def test_typed_columns(tmp_path: Path, column: pa.Array, texts: list[str], source: str) -> None:
    plain = ["x"] * len(column)
    table = pa.table({"user": column, "q": column, "a": column, "more": [[1]] * len(column), "same": plain})
    assert rows_in(given_as(source, table, tmp_path)) == grouped((text, text, text) for text in texts)


class Word(str, Enum):  # noqa: UP042  (unlike a StrEnum's, its str() is not its text)
    ANN = "ann"


FRAMES: list[tuple[dict[str, Any], Rows]] = [
    ({"user": ["007", "7"], "q": ["q?", "q?"], "a": ["x", "x"]}, {**one("007"), **one("7")}),
    ({"user": [7], "q": ["q?"], "a": [True]}, one("7", "q?", "true")),
    ({"user": [1, "1.0", 2.5], "q": ["q?"] * 3, "a": ["x"] * 3}, {**one("1"), **one("1.0"), **one("2.5")}),
    ({"user": [10**30], "q": ["q?"], "a": ["x"]}, one(str(10**30))),
    ({"user": pd.Categorical(["b", "a"]), "q": ["q?"] * 2, "a": ["x"] * 2}, {**one("b"), **one("a")}),
    ({"user": pd.array([1, 2], "Int64"), "q": ["q?"] * 2, "a": ["x"] * 2}, {**one("1"), **one("2")}),
    ({"user": pd.array(["NA", "None"], "string"), "q": ["q?"] * 2, "a": ["x"] * 2}, {**one("NA"), **one("None")}),
    ({"user": pd.array([2**53 + 1, None], "Int64")[:1], "q": ["q?"], "a": ["x"]}, one("9007199254740993")),
    ({"user": pd.Categorical([2**53 + 1]), "q": ["q?"], "a": ["x"]}, one("9007199254740993")),
    ({"user": [Word.ANN], "q": ["q?"], "a": ["x"]}, one("ann")),
    ({"user": np.array(["u"]), "q": [np.str_("q?")], "a": [np.float32(0.1)]}, one("u", "q?", "0.1")),
]


@pytest.mark.parametrize(("columns", "expected"), FRAMES)
def test_frames(columns: dict[str, Any], expected: Rows) -> None:
    assert rows_in(pd.DataFrame(columns)) == expected


def join(*parts: datasets.Dataset) -> datasets.Dataset:
    return datasets.concatenate_datasets(parts)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda rows: rows, {"b": [("1", "w"), ("3", "y")], "a": [("2", "x")], "c": [("4", "z")]}),
        (lambda rows: rows.select([2, 1]), {"b": [("3", "y")], "a": [("2", "x")]}),
        (lambda rows: rows.filter(lambda row: row["user"] == "b"), {"b": [("1", "w"), ("3", "y")]}),
        (lambda rows: rows.sort("a", reverse=True).skip(2), {"a": [("2", "x")], "b": [("1", "w")]}),
        (lambda rows: rows.shard(2, 1), {"b": [("3", "y")], "c": [("4", "z")]}),
        (lambda rows: join(rows.select([3]), rows.select([0])), {**one("c", "4", "z"), **one("b", "1", "w")}),
        (lambda rows: rows.with_format("numpy").select([1]), one("a", "2", "x")),
    ],
)
def test_hub_like_datasets(made: Callable[[datasets.Dataset], datasets.Dataset], expected: Rows) -> None:
    datasets.disable_progress_bars()
    assert rows_in(made(datasets.Dataset.from_dict(ROWS))) == expected


def test_a_class_label_is_its_number() -> None:
    rows = datasets.Dataset.from_dict({"user": [1, 0], "q": ["q?", "q?"], "a": ["x", "x"]})
    labelled = rows.cast_column("user", datasets.ClassLabel(names=["ann", "bob"]))
    assert rows_in(labelled) == {**one("1"), **one("0")}


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda content: pa.compress(content, codec="zstd", asbytes=True)),
        (".gz", lambda content: gzip.compress(content[:12]) + gzip.compress(content[12:])),
    ],
)
@pytest.mark.parametrize(("kind", "content"), [("csv", HEAD + b"u,q?,x\n"), ("json", b'{"user":"u","q":"q?","a":"x"}')])
def test_packed_files(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], kind: str, content: bytes) -> None:
    file = tmp_path / f"rows.{kind}{suffix}"
    file.write_bytes(pack(content))
    assert rows_in(file) == one("u")
    for damaged in (pack(content)[:-6], content):
        file.write_bytes(damaged)
        with pytest.raises(BadInput, match=f"dataset file .*rows.{kind}{suffix} cannot be read: "):
            rows_in(file)


def test_what_follows_an_xz_stream_is_read_or_told(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv.xz"
    first, second = lzma.compress(HEAD + b"u,q?,x\n"), lzma.compress(b"v,q?,x\n")
    file.write_bytes(first + bytes(8) + second)
    assert rows_in(file) == {**one("u"), **one("v")}
    for damaged in (first + bytes([second[0] ^ 1]) + second[1:], first + b"garbage", first + second[:-1], b""):
        file.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"rows\.csv\.xz cannot be read: "):
            rows_in(file)


def test_a_flipped_byte_of_a_parquet_file_with_checksums(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    table = pa.table({"user": ["client-17"], "q": ["q?"], "a": ["x"]})
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pyarrow.parquet.write_table(table, file, write_page_checksum=True, **plain)
    assert rows_in(file) == one("client-17")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"client-17", b"client-97", 1))
    with pytest.raises(BadInput, match="CRC checksum verification failed"):
        rows_in(file)


def test_columns_with_gaps_keep_their_digits() -> None:
    frame = pd.DataFrame({"user": pd.array([2**53 + 1, 2**53 + 3, None], "Int64"), "q": ["q?"] * 3, "a": ["x"] * 3})
    assert text_table(frame, COLUMNS).column("user").to_pylist() == ["9007199254740993", "9007199254740995", None]


@pytest.mark.parametrize("name", ["rows[12].csv", "rows?.csv", "*.csv", "r {a,b}.csv", "a%20b.csv", "~.csv", "[2].CSV"])
def test_no_character_of_a_name_stands_for_another(tmp_path: Path, name: str) -> None:
    for other in ("rows1.csv", "rows2.csv", "rowsa.csv", "a b.csv"):
        (tmp_path / other).write_bytes(HEAD + b"wrong,q?,x\n")
    with pytest.raises(BadInput, match="does not exist"):
        rows_in(tmp_path / name)
    (tmp_path / name).write_bytes(HEAD + b"right,q?,x\n")
    assert rows_in(tmp_path / name) == one("right")


texts = st.text(min_size=1)
tables = st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=20)


@given(tables)
def test_what_python_writes_comes_back(tmp_path_factory: Any, rows: list[tuple[str, str, str]]) -> None:
    folder = tmp_path_factory.getbasetemp()
    expected = grouped(rows)
    for end, quoting in (("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL)):
        written = io.StringIO()
        csv.writer(written, lineterminator=end, quoting=quoting).writerows([("user", "q", "a"), *rows])
        (folder / "any.csv").write_bytes(written.getvalue().encode())
        assert rows_in(folder / "any.csv") == expected
    objects = [dict(zip(("user", "q", "a"), row, strict=True)) for row in rows]
    (folder / "any.jsonl").write_text("".join(json.dumps(each) + "\n" for each in objects))
    assert rows_in(folder / "any.jsonl") == expected
    (folder / "any.json").write_text(json.dumps(objects, ensure_ascii=False, indent=1), encoding="utf-8")
    assert rows_in(folder / "any.json") == expected


def grouped(rows: Iterable[Sequence[str]]) -> Rows:
    found: Rows = {}
    for user, question, answer in rows:
        found.setdefault(user, []).append((question, answer))
    return found


PARTS = [b"a", b"b", b'"', b",", b"\n", b"\r\n", b" ", b"u,q,x\n", b'"x""\r\n",q,"""y"\n']


@given(st.lists(st.sampled_from(PARTS), max_size=24))
def test_a_csv_is_read_as_a_strict_reader_reads_it_or_not_at_all(tmp_path_factory: Any, parts: list[bytes]) -> None:
    file = tmp_path_factory.getbasetemp() / "odd.csv"
    content = HEAD + b"".join(parts)
    file.write_bytes(content)
    try:
        # So small that borders between blocks fall anywhere.
        table = read_csv(file, COLUMNS, blocks=(16, 64))
    except BadInput:
        return
    found = [[row[column] or "" for column in ("user", "q", "a")] for row in table.to_pylist()]
    strict = [row for row in csv.reader(io.StringIO(content.decode(), newline=""), strict=True) if row][1:]
    assert found == strict
