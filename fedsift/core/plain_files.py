"""Files of ours in a folder that somebody else may have prepared: by fixed names only, and never through a link."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedsift.core.errors import BadInput, legible

PARTIAL = ".partial"  # how names of files end that are not whole yet


def check_plain(path: Path, folder: bool = False) -> None:
    """See that a path is a file, or a folder, or nothing: no link to one elsewhere, no second name of one, no device.

    Raises:
        BadInput: it is something else.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if folder and stat.S_ISDIR(found.st_mode):
        return
    if not folder and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return
    wanted = "a folder" if folder else "a file of one name"
    raise BadInput(f"{path} is no {wanted.removeprefix('a ')} but {_kind(found)}: take it away; nothing was changed")


def check_no_links(folder: Path) -> None:
    """See that what lies in a folder are files and folders; nothing where there is none.

    Raises:
        BadInput: one is a link, or something else.
    """
    check_plain(folder, folder=True)
    if not folder.exists():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                kind = _kind(entry.stat(follow_symlinks=False))
                name = legible(entry.name)
                raise BadInput(f"{folder}: {name} is no file but {kind}: take it away; nothing was changed")


def new_partial(file: Path) -> Path:
    """Where a file is until it is whole: an empty file of ours."""
    partial = file.with_name(f".{file.name}{PARTIAL}")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    return partial


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """An empty file of ours to write; when the block ends, it takes the place of `file` in one step.

    What lies under either name is replaced, not written into: a link's target stays as it is.
    """
    partial = new_partial(file)
    yield partial
    partial.replace(file)


def _kind(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "a link"
    if stat.S_ISDIR(found.st_mode):
        return "a folder"
    return "a second name of another file" if stat.S_ISREG(found.st_mode) else "a device, pipe or socket"
