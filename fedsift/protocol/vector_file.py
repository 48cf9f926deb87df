"""Vectors that a process shares with others of its machine: in a file without a name, which they map."""

import mmap
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from flwr.app import Array
from numpy.typing import NDArray

_DESCRIPTORS = Path("/proc/self/fd")


class VectorFile(Array):
    """A float32 vector as `messages.float_array` makes it, but in a file; pickled, it is the file's place alone.

    Its owner never has more than a slice of it in memory, and whoever unpickles it maps it: of all who do, the machine
    keeps it once. The file goes with its owner, who must keep it until it has been unpickled.
    """

    def __init__(self, slices: Iterable[NDArray[np.float32]], folder: Path) -> None:
        """Write the vector, given by slices, to a file on the folder's disk."""
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  Open as long as the vector lives.
        size = 0
        for each in slices:
            self._file.write(np.ascontiguousarray(each, "<f4").data)
            size += len(each)
        self._file.flush()
        self.dtype, self.shape, self.stype = "float32", (size,), "raw"

    @property
    def data(self) -> Any:  # type: ignore[override]
        """The vector's bytes, mapped."""
        return _mapped(f"{_DESCRIPTORS}/{self._file.fileno()}", self.shape).data

    def __reduce__(self) -> tuple[Callable[..., Array], tuple[str, tuple[int, ...]]]:
        return _mapped, (f"/proc/{os.getpid()}/fd/{self._file.fileno()}", self.shape)


def can_share_files() -> bool:
    """Whether processes of this machine find each other's open files, as on Linux."""
    return _DESCRIPTORS.is_dir()


def _mapped(path: str, shape: tuple[int, ...]) -> Array:
    array = Array(dtype="float32", shape=shape, stype="raw", data=b"")
    if shape != (0,):
        with Path(path).open("rb") as file:
            array.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # type: ignore[assignment]
    return array
