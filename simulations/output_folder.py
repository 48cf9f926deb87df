"""A folder for what a command writes: new or empty, seen to be writable before any training, gone again if it fails."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile

from fedsift.errors import BadInput

_PROBE = 1 << 14  # bytes; whoever runs out of room later has come as far as this
_ADVICE = "give a folder in a place you own, on a disk with room"


@contextmanager
def output_folder(named: Path | None, parent: Path = Path("runs")) -> Iterator[Path]:
    """The folder that was named; else the first of runs/001, runs/002, ... that nobody has.

    That one is made in the same step, so that of commands that start together each gets its own. Left empty, it goes.

    Raises:
        BadInput: it cannot be made.
    """
    if named is not None:
        yield named
        return
    made = _missing(parent)
    folder = _next(parent)
    try:
        yield folder
    finally:
        _remove_empty([*made, folder])


def _next(parent: Path) -> Path:
    for number in count(1):
        folder = parent / f"{number:03d}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            if isinstance(error, FileExistsError) and os.path.lexists(folder):
                continue
            raise BadInput(f"{parent} cannot be written ({error.strerror}); give --out, or {_ADVICE}") from error
        return folder
    raise AssertionError("numbers do not end")


def make_empty(path: Path, room: int = 0) -> list[Path]:
    """Make a folder, or take an empty one, and see that files can be written there.

    Args:
        path: the folder.
        room: bytes that will be written for certain.

    Returns:
        The folders that were made, the outermost first.

    Raises:
        BadInput: it is not empty, is a file, cannot be written, or has not the room; nothing is written.
    """
    made: list[Path] = []
    try:
        if path.exists() and not path.is_dir():
            raise BadInput(f"out = {path}: it is a file; give a folder that is new or empty")
        if path.exists() and any(path.iterdir()):
            raise BadInput(f"out = {path}: the folder is not empty; give one that is new or empty")
        made = _missing(path)
        path.mkdir(parents=True, exist_ok=True)
        try_writing(path)
        free = shutil.disk_usage(path).free
    except OSError as error:
        _remove_empty(made)
        raise cannot_be_written(path, error) from error
    if free < room:
        _remove_empty(made)
        raise BadInput(f"out = {path}: {room:,} bytes are needed at least, and {free:,} are free; {_ADVICE}")
    return made


def clear(path: Path, made: list[Path]) -> None:
    """Undo `make_empty`: remove what lies in the folder by now, and the folders that it made."""
    with suppress(OSError):
        for each in path.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)
    _remove_empty(made)


def cannot_be_written(path: Path, error: OSError) -> BadInput:
    """The error for an output folder."""
    return BadInput(f"out = {path}: cannot be written ({error.strerror}); {_ADVICE}")


def try_writing(path: Path) -> None:
    """Write a file into a folder, and take it away.

    Raises:
        OSError: that is not possible.
    """
    with NamedTemporaryFile(dir=path, prefix=".fedsift-") as file:
        file.write(bytes(_PROBE))
        file.flush()
        os.fsync(file.fileno())  # Some file systems find out here that they are full.


def _missing(path: Path) -> list[Path]:
    """A folder and those above it, as far as they are not there, the outermost first."""
    return [each for each in (*reversed(path.parents), path) if not each.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()
