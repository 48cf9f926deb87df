"""JSON files, one object a line or all of them in one array: texts stay texts, and numbers keep every digit."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from fedsift.core.errors import BadInput
from fedsift.data.cells import cell_of, text_of
from fedsift.data.columns import Columns, check_names
from fedsift.data.disk_table import batches, on_disk
from fedsift.data.file_source import opened

T = TypeVar("T")


def read_json(path: Path, columns: Columns, lists: Collection[str] = ()) -> pa.Table:
    """Some columns of a file, as texts; those in `lists` as lists of them. Null where a row has null, NaN or nothing.

    Raises:
        BadInput: it cannot be read, a line is no JSON object, or a value is no text; the message names the line.
    """
    schema = pa.schema([(name, pa.list_(pa.string()) if name in lists else pa.string()) for name in columns])
    names: set[str] = set()
    with opened(path) as stream:
        table = on_disk(batches(_rows(each_object(stream, path), schema, columns, path, names), schema), schema)
    if len(table):
        check_names(columns, sorted(names), str(path))
    return table


def _rows(
    objects: Iterable[tuple[str, dict[str, Any]]], schema: pa.Schema, columns: Columns, path: Path, names: set[str]
) -> Iterator[list[Any]]:
    """The cells of each object; all keys are added to `names`."""
    cells = {field.name: _texts if pa.types.is_list(field.type) else cell_of(columns[field.name]) for field in schema}
    for place, row in objects:
        names.update(row)
        yield [_cell(texts, place, row, column, path) for column, texts in cells.items()]


def _texts(value: Any) -> list[str | None]:
    return [text_of(each) for each in (value if isinstance(value, list) else [value])]


def _cell(texts: Any, place: str, row: dict[str, Any], column: str, path: Path) -> Any:
    try:
        return texts(row.get(column))
    except BadInput as error:
        raise BadInput(f"dataset file {path}: {place}: column {column!r} {error}") from error


def each_object(stream: BinaryIO, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object, and where it stands; a number is the text that the file has.

    Raises:
        BadInput: it is no JSON, or no object; the message names the place.
    """
    first = True
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        if first and line.lstrip().startswith(b"["):
            for row, value in enumerate(_decoded(line + stream.read(), "it", "array", list, path), start=1):
                if not isinstance(value, dict):
                    raise BadInput(f"dataset file {path}: row {row} is no JSON object")
                yield f"row {row}", value
            return
        first = False
        yield f"line {number}", _decoded(line, f"line {number}", "object", dict, path)


def _decoded(text: bytes, place: str, what: str, kind: type[T], path: Path) -> T:
    try:
        value = _DECODER.decode(text.decode())
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        place = place if what == "object" else f"line {line}"
        raise BadInput(f"dataset file {path}: {place} is no valid UTF-8 ({error.reason}); write it as UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"character {error.colno}" if what == "object" else f"line {error.lineno}, character {error.colno}"
        expected = "one object a line, or all in one array"
        problem = f"{place} is no JSON {what}: {error.msg} at {where}"
        raise BadInput(f"dataset file {path}: {problem}; expected {expected}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"dataset file {path}: {place} is no JSON {what}: {error}") from error
    if not isinstance(value, kind):
        raise BadInput(f"dataset file {path}: {place} is no JSON {what}")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        name, times = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{name!r} is in it {times} times")
    return made


# A number is kept as its digits stand in the file.
_DECODER = json.JSONDecoder(
    parse_int=str,
    parse_float=str,
    parse_constant=lambda name: None if name == "NaN" else name,
    object_pairs_hook=_without_doubles,
)
