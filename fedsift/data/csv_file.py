"""csv files: what stands in a cell is a text, byte for byte (RFC 4180)."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from fedsift.data.columns import Columns, check_names
from fedsift.data.disk_table import on_disk
from fedsift.data.file_source import opened
from fedsift.errors import BadInput

# Bytes that are parsed at once. A row has to fit; where one does not, the next size is tried.
_BLOCKS = (1 << 20, 1 << 26, (1 << 31) - 1)
_QUOTE = ord('"')
_BORDER = np.zeros(256, bool)  # what may stand before an opening and after a closing quote
_BORDER[[ord(","), ord("\n"), ord("\r"), _QUOTE]] = True


def read_csv(path: Path, columns: Columns, names: Sequence[str] = (), encoding: str = "") -> pa.Table:
    """Some columns of a file, as texts; null where a cell is empty. The file streams: memory does not grow with it.

    Args:
        path: the file.
        columns: which.
        names: of all its columns, where the file has no header.
        encoding: of its text; "" for UTF-8, or what its byte order mark says.

    Raises:
        BadInput: it cannot be read or is no csv; the message names the line.
    """
    header = list(names) or _header(path, encoding)
    if len(header) == 1 and (found := next((each for each in ";\t|" if each in header[0]), "")):
        raise BadInput(f"dataset file {path}: its header is set apart by {found!r}; write the file with commas")
    check_names(columns, header, str(path))
    schema = pa.schema([(column, pa.string()) for column in columns])
    for block in _BLOCKS:
        with opened(path, encoding) as stream:
            quotes = _QuotesWatched(stream)
            try:
                reader = arrow_csv.open_csv(
                    quotes,
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
                table = on_disk(reader, schema)
            except pa.ArrowInvalid as error:
                problem = _problem(path, encoding, len(header))
                if problem or block == _BLOCKS[-1]:
                    raise BadInput(f"dataset file {path}: {problem or error}") from error
                continue
        # Arrow takes a quote as it comes. Where all are where they belong, it reads what a strict reader would.
        if not quotes.are_paired and (problem := _problem(path, encoding, len(header))):
            raise BadInput(f"dataset file {path}: {problem}")
        return table
    raise AssertionError("the last size returns or raises")


class _QuotesWatched(io.RawIOBase):
    """A stream that sees whether each quote opens a cell, closes one, or is doubled within one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._seen = b"\n"  # Of what went through: its last byte but one, and the last, which has not been judged.
        self._held = b""
        self._count, self._fits = 0, True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; at the end a new line, if the text has none. None of the blocks ends between CR and LF.

        Arrow takes away a LF at the beginning of a block after a CR at the end of the last, within quotes too.
        """
        block = self._held + self._stream.read(size - len(self._held))
        self._held = b""
        if len(block) < size:  # the end
            block += b"" if (self._seen + block).endswith(b"\n") else b"\n"
        elif block.endswith(b"\r"):
            block, self._held = block[:-1], b"\r"
        if block:
            text = self._seen + block
            self._look(text)
            self._seen = text[-2:]
        return block

    def _look(self, text: bytes) -> None:
        """Judge the quotes in a text, but for its first and its last byte."""
        values = np.frombuffer(text, np.uint8)
        places = np.flatnonzero(values[1:-1] == _QUOTE) + 1
        opens = (self._count + np.arange(len(places))) % 2 == 0
        neighbours = np.where(opens, values[places - 1], values[places + 1])
        self._fits = self._fits and bool(_BORDER[neighbours].all())
        self._count += len(places)

    @property
    def are_paired(self) -> bool:
        """Whether all quotes so far do, and none is left open."""
        return self._fits and self._count % 2 == 0


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
