"""What a command writes into: seen to be writable before any training, and gone again where nothing comes of it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile

from fedsift.core.errors import BadInput
from fedsift.core.plain_files import PARTIAL, check_plain, new_partial, written_whole

DATA_FILES = TABLE_FILE, ROWS_FILE = "data.parquet", "data.rows"  # rows that a run was handed in memory
_PROBE_NAME = ".fedsift-"  # how names of files begin that are not to stay
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
    """Make a folder, or take one with no more than data in it, and see that files can be written there.

    Args:
        path: the folder.
        room: bytes that will be written for certain.

    Returns:
        The folders that were made, the outermost first.

    Raises:
        BadInput: it is not empty, is a file, cannot be written, or has not the room; nothing is written.
    """
    with output_errors(path):
        if path.exists() and not path.is_dir():
            raise BadInput(f"out = {path}: it is a file; give a folder that is new or empty")
        if path.exists() and any(not _may_lie_there(each.name) for each in path.iterdir()):
            raise BadInput(f"out = {path}: the folder is not empty; give one that is new or empty")
        for name in DATA_FILES if path.is_dir() else ():
            check_plain(path / name)
    made = make_writable(path)
    try:
        check_room(path, room)
    except BadInput:
        _remove_empty(made)
        raise
    return made


def check_room(path: Path, room: int) -> None:
    """See that a folder's disk has room for so many bytes.

    Raises:
        BadInput: it has not.
    """
    if (free := shutil.disk_usage(path).free) < room:
        raise BadInput(f"out = {path}: {room:,} bytes are needed at least, and {free:,} are free; {_ADVICE}")


@contextmanager
def kept_data(path: Path) -> Iterator[None]:
    """Make room for a run's data in its folder; where the block fails and nothing else is there, they go again.

    Raises:
        BadInput: as of `make_empty`.
    """
    made = make_empty(path)
    before = set(path.iterdir())
    try:
        with output_errors(path):
            yield
    except BaseException:
        if all(each.name in DATA_FILES for each in path.iterdir()):
            for each in set(path.iterdir()) - before:
                each.unlink()
            _remove_empty(made)
        raise


def _may_lie_there(name: str) -> bool:
    """Whether a file is a run's data, or one that `write_whole` or `try_writing` leaves where its process is killed."""
    return name in DATA_FILES or name.startswith(_PROBE_NAME) or (name.startswith(".") and name.endswith(PARTIAL))


def make_writable(path: Path) -> list[Path]:
    """Make a folder, or take one as it is, and see that files can be written there; returns as `make_empty` does.

    Raises:
        BadInput: they cannot; nothing is written.
    """
    with output_errors(path):
        made = _missing(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            try_writing(path)
        except OSError:
            _remove_empty(made)
            raise
    return made


def check_file(path: Path) -> None:
    """See that a file can be written by `write_whole`.

    Raises:
        BadInput: it cannot; nothing is changed.
    """
    with output_errors(path):
        if path.is_dir():
            raise BadInput(f"out = {path}: it is a folder; give a file")
        if not path.parent.is_dir():
            raise BadInput(f"out = {path}: there is no folder {path.parent}")
        partial = new_partial(path)
        try:
            partial.write_bytes(bytes(_PROBE))
        finally:
            partial.unlink()


def clear(path: Path, made: list[Path]) -> None:
    """Undo `make_empty`: remove what lies in the folder by now, but for data, and the folders that it made."""
    with suppress(OSError):
        for each in path.iterdir():
            if each.name in DATA_FILES:
                continue
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)
    _remove_empty(made)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """What the system says of an output is told as a mistake of the option."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"out = {path}: cannot be written ({error.strerror}); {_ADVICE}") from error


def write_whole(file: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one."""
    with written_whole(file) as partial:
        partial.write_text(text, encoding="utf-8")


def try_writing(path: Path) -> None:
    """Write a file into a folder, and take it away.

    Raises:
        OSError: that is not possible.
    """
    with NamedTemporaryFile(dir=path, prefix=_PROBE_NAME) as file:
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
