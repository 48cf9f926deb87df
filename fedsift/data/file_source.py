"""Opening a file of rows: exactly the file that is named, unpacked, as UTF-8."""

import codecs
import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from fedsift.core.errors import BadInput
from fedsift.data.file_names import PACKED

# The longer first: UTF-32's mark begins with UTF-16's.
_MARKS = (
    *((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_BLOCK = 1 << 20  # bytes


@contextmanager
def opened(path: Path, encoding: str = "") -> Iterator[BinaryIO]:
    """A file's text, unpacked, as UTF-8 without a byte order mark; of parquet, the file as it is.

    Args:
        path: exactly this file; no character of it stands for another.
        encoding: that the text has; "" for UTF-8, or what its byte order mark says.

    Raises:
        BadInput: it is no file, it may not be read, or it is damaged where it is packed or not in its encoding.
    """
    try:
        if not path.is_file():
            problem = "is no file" if path.exists() else "does not exist"
            raise BadInput(f"dataset file {path} {problem}")
        with _unpacked(path) as stream:
            if not encoding:
                start = stream.peek(4)[:4]
                encoding = next((name for mark, name in _MARKS if start.startswith(mark)), "")
            yield io.BufferedReader(_Recoded(stream, encoding), _BLOCK) if encoding else stream
    except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
        raise BadInput(f"dataset file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _unpacked(path: Path) -> io.BufferedReader:
    suffix = path.suffix.lower()
    if suffix == ".xz":
        return io.BufferedReader(_Xz(path), _BLOCK)
    if suffix in PACKED:
        return io.BufferedReader(pa.input_stream(path, compression=PACKED[suffix]), _BLOCK)
    return io.BufferedReader(io.FileIO(path), _BLOCK)


class _Xz(io.RawIOBase):
    """A file packed by xz. Python's own reader leaves out, without a word, what it cannot read after a first stream."""

    def __init__(self, path: Path) -> None:
        self._file, self._decompressor = path.open("rb"), lzma.LZMADecompressor(lzma.FORMAT_XZ)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        text = b""
        while not text:
            packed = b""
            if self._decompressor.eof:
                # Streams may follow one another, with zeros in between.
                packed = self._decompressor.unused_data.lstrip(b"\0") or self._file.read(_BLOCK).lstrip(b"\0")
                if not packed:
                    return 0
                self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            elif self._decompressor.needs_input:
                packed = self._file.read(_BLOCK)
                if not packed:
                    raise EOFError("it ends too early")
            text = self._decompressor.decompress(packed, len(buffer))
        buffer[: len(text)] = text
        return len(text)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Recoded(io.RawIOBase):
    """A text in some encoding, as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._decoder = stream, codecs.getincrementaldecoder(encoding)()
        self._ready, self._encoding = b"", encoding.removesuffix("-sig")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            block = self._stream.read(_BLOCK)
            try:
                self._ready = self._decoder.decode(block, final=not block).encode()
            except UnicodeDecodeError as error:
                raise OSError(f"it is no valid {self._encoding.upper()}: {error.reason}") from error
            if not block:
                break
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
