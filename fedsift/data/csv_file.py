"""csv files: what stands in a cell is a text, byte for byte (RFC 4180)."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from fedsift.data.columns import Columns, check_names
from fedsift.data.disk_table import on_disk
from fedsift.data.file_source import opened
from fedsift.errors import BadInput

# Bytes. A row has to fit; where one does not, the next size is tried, then all at once.
_BLOCKS = (1 << 20, 1 << 26)
_MOST_AT_ONCE = (1 << 31) - 2
_QUOTE = ord('"')
_BORDER = np.zeros(256, bool)  # what may stand before an opening and after a closing quote
_BORDER[[ord(","), ord("\n"), ord("\r"), _QUOTE]] = True


def read_csv(
    path: Path, columns: Columns, names: Sequence[str] = (), encoding: str = "", blocks: Sequence[int] = _BLOCKS
) -> pa.Table:
    """Some columns of a file, as texts; null where a cell is empty. The file streams: memory does not grow with it.

    Args:
        path: the file.
        columns: which.
        names: of all its columns, where the file has no header.
        encoding: of its text; "" for UTF-8, or what its byte order mark says.
        blocks: how many bytes are parsed at once, the sizes that are tried one after the other.

    Raises:
        BadInput: it cannot be read or is no csv; the message names the line.
    """
    header = list(names) or _header(path, encoding)
    if len(header) == 1 and (found := next((each for each in ";\t|" if each in header[0]), "")):
        raise BadInput(f"dataset file {path}: its header is set apart by {found!r}; write the file with commas")
    check_names(columns, header, str(path))
    for block in blocks:
        with opened(path, encoding) as stream:
            rows = _WholeRows(stream)
            try:
                table = _parsed(rows, block, columns, names)
            except (_RowTooLong, pa.ArrowInvalid):
                table = None
        if table is not None and rows.quotes_fit:
            return table
        if problem := _problem(path, encoding, len(header)):
            raise BadInput(f"dataset file {path}: {problem}")
        if not rows.quotes_fit:
            break
    # A row is very long, or quotes stand within unquoted cells, so that nobody sees where rows end without reading all.
    with opened(path, encoding) as stream:
        content = stream.read(_MOST_AT_ONCE + 1)
    if len(content) > _MOST_AT_ONCE:
        raise BadInput(f"dataset file {path} is too large for its long rows, or for quotes in cells without quotes")
    return _parsed(pa.BufferReader(content), len(content) + 1, columns, names)


def _parsed(source: Any, block: int, columns: Columns, names: Sequence[str]) -> pa.Table:
    schema = pa.schema([(column, pa.string()) for column in columns])
    reader = arrow_csv.open_csv(
        source,
        arrow_csv.ReadOptions(block_size=block, column_names=list(names) or None),
        arrow_csv.ParseOptions(newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return on_disk(reader, schema)


class _RowTooLong(ValueError):
    """A block holds no end of a row."""


class _WholeRows(io.RawIOBase):
    """A stream that is read by whole rows: where a block ends within a row, Arrow may misread quotes and line ends.

    Attributes:
        quotes_fit: whether each quote so far opens a cell, closes one, or is doubled within one. Then quotes tell where
            rows end, and Arrow reads what a strict reader would.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._rest = stream, b""
        self.quotes_fit = True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """As many rows as fit into so many bytes; the last one ends with a new line, too.

        Raises:
            _RowTooLong: none does.
        """
        block = self._rest + self._stream.read(size - len(self._rest))
        if len(block) < size:
            self._rest = b""
            block += b"\n" if block and not block.endswith(b"\n") else b""
        else:
            end = _end_of_rows(block)
            block, self._rest = block[:end], block[end:]
        self.quotes_fit = self.quotes_fit and _quotes_fit(block)
        if not block and self._rest:
            raise _RowTooLong
        return block


def _end_of_rows(block: bytes) -> int:
    """Where the last whole row of a block ends that begins with one; 0 where there is none."""
    end, is_quoted = len(block), block.count(b'"') % 2 == 1
    while end > 0:
        # The byte after a CR decides whether it ends a row, so the last byte of a block does not.
        start = max(block.rfind(b"\n", 0, end), block.rfind(b"\r", 0, min(end, len(block) - 1)))
        is_quoted ^= block.count(b'"', max(0, start), end) % 2 == 1
        if start < 0 or not is_quoted:
            return start + 1
        end = start
    return 0


def _quotes_fit(rows: bytes) -> bool:
    values = np.frombuffer(b"\n" + rows + b"\n", np.uint8)
    places = np.flatnonzero(values == _QUOTE)
    return len(places) % 2 == 0 and bool(
        _BORDER[values[places[::2] - 1]].all() and _BORDER[values[places[1::2] + 1]].all()
    )


def _header(path: Path, encoding: str) -> list[str]:
    with opened(path, encoding) as stream:
        try:
            header = next(_strict_rows(stream), None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadInput(f"dataset file {path}: {_problem(path, encoding, 0)}") from error
    if header is None:
        raise BadInput(f"dataset file {path} has no rows")
    return header[1]


def _problem(path: Path, encoding: str, width: int) -> str:
    """What is wrong with the first line that is no csv; empty where nothing is.

    Args:
        path: the file.
        encoding: of its text.
        width: how many values each row should have; 0 for any number.
    """
    try:
        with opened(path, encoding) as stream:
            for line, row in _strict_rows(stream):
                if width and len(row) != width:
                    return f"line {line} has {len(row)} values, the header {width}; quote values that hold commas"
    except csv.Error as error:
        return f"{error}; quote the value, and double each quote in it"
    except UnicodeDecodeError:
        with opened(path, encoding) as stream:
            for line, text in enumerate(stream, start=1):
                try:
                    text.decode()
                except UnicodeDecodeError as error:
                    return f"line {line} is no valid UTF-8 ({error.reason}); write the file as UTF-8"
    return ""


def _strict_rows(stream: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, and the line on which it begins; slow.

    Raises:
        csv.Error: a quote is where none may be; the message names the line.
    """
    csv.field_size_limit((1 << 31) - 1)
    reader = csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise csv.Error(f"line {line}: {error}") from error
        if row is None:
            return
        if row:
            yield line, row
