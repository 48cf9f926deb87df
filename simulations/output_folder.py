"""The output folder of a run: it appears whole, at the end, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from fedsift.errors import BadInput


def next_run_folder(parent: Path = Path("runs")) -> Path:
    """The first of runs/001, runs/002, ... that does not exist."""
    return next(folder for number in count(1) if not (folder := parent / f"{number:03d}").exists())


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A folder to write into that becomes `out` when the block ends, and vanishes when it fails.

    Raises:
        BadInput: `out` is not empty, is a file, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"out = {out}: it is a file; give a folder that is new or empty")
    try:
        if out.exists() and any(out.iterdir()):
            raise BadInput(f"out = {out}: the folder is not empty; give one that is new or empty")
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
        partial.mkdir()
        if out.exists() and not os.access(out, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise BadInput(
            f"out = {out}: cannot be written ({error.strerror}); give a folder in a place you own"
        ) from error
    try:
        yield partial
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
