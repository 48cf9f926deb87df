"""csv files: what stands in a cell is a text, byte for byte (RFC 4180)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from fedsift.core.errors import BadInput, counted
from fedsift.data.columns import Columns, check_names
from fedsift.data.disk_table import on_disk
from fedsift.data.file_source import opened

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
    for size in blocks:
        with opened(path, encoding) as stream:
            rows = _WholeRows(stream, size)
            try:
                table = _parsed(rows, columns, header, bool(names))
            except (_RowTooLong, pa.ArrowException):
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
    try:
        return _parsed([content], columns, header, bool(names))
    except pa.ArrowException as error:
        raise BadInput(f"dataset file {path} cannot be read: {error}") from error


def _parsed(blocks: Iterable[bytes], columns: Columns, header: list[str], is_headless: bool) -> pa.Table:
    """The columns of a file that comes in blocks of whole rows."""
    schema = pa.schema([(column, pa.string()) for column in columns])
    return on_disk(_batches(blocks, schema, header, is_headless), schema)


def _batches(
    blocks: Iterable[bytes], schema: pa.Schema, header: list[str], is_headless: bool
) -> Iterator[pa.RecordBatch]:
    conversion = arrow_csv.ConvertOptions(
        column_types=schema,
        include_columns=schema.names,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    for block in blocks:
        if not block.strip(b"\r\n"):
            continue
        if not block.endswith(b"\n"):
            block += b"\n"
        # From memory, not from a stream of Python's: threads of Arrow's that still read one keep a process from ending.
        reading = arrow_csv.ReadOptions(block_size=len(block) + 1, column_names=header if is_headless else None)
        table = arrow_csv.read_csv(pa.BufferReader(block), reading, parsing, conversion)
        yield from table.to_batches()
        is_headless = True  # The first block had it.


class _RowTooLong(ValueError):
    """A block holds no end of a row."""


class _WholeRows:
    """A stream by blocks of whole rows: where a block ends within a row, Arrow may misread quotes and line ends.

    Attributes:
        quotes_fit: whether each quote so far opens a cell, closes one, or is doubled within one. Then quotes tell where
            rows end, and Arrow reads what a strict reader would.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        """Read so many bytes at a time."""
        self._stream, self._size = stream, size
        self.quotes_fit = True

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        while True:
            block = rest + self._stream.read(self._size - len(rest))
            is_last = len(block) < self._size
            if not is_last and not (end := _end_of_rows(block)):
                raise _RowTooLong
            rest = b"" if is_last else block[end:]
            block = block if is_last else block[:end]
            self.quotes_fit = self.quotes_fit and _quotes_fit(block)
            yield block
            if is_last:
                return


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
    if len(places) % 2:
        return False
    return bool(_BORDER[values[places[::2] - 1]].all() and _BORDER[values[places[1::2] + 1]].all())


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
    """What is wrong with the first line that is no csv, or has not `width` values (0: any); empty where nothing is."""
    try:
        with opened(path, encoding) as stream:
            for line, row in _strict_rows(stream):
                if width and len(row) != width:
                    values = counted(len(row), "value")
                    return f"line {line} has {values}, the header {width}; quote values that hold commas"
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
