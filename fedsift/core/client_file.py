"""One file for each client, whatever its id looks like: written whole or not at all, read only where it is right.

It is a safetensors file whose header says whose it is and has the SHA-256 of all else, so that a file which was cut,
changed, or given another client's name is an error and never used.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fedsift.core.errors import BadInput
from fedsift.core.plain_files import written_whole
from fedsift.core.strict_json import parse_json

_ABOUT = "about"  # the one key of the header's metadata: safetensors writes several in an order of its own


def client_file(folder: Path, client_id: str, suffix: str) -> Path:
    """The file of a client: readable, and unique whatever characters the id holds and however the disk treats case."""
    digest = hashlib.sha256(client_id.encode()).hexdigest()[:16]
    return folder / f"{quote(client_id, safe='')[:100]}-{digest}{suffix}"


def save_arrays(
    path: Path, client_id: str, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a client's arrays, and metadata as JSON takes it."""
    about = {"client": client_id, "metadata": dict(metadata or {})}
    about["digest"] = _digest(about, arrays)
    with written_whole(path) as partial:
        save_file(dict(arrays), partial, {_ABOUT: json.dumps(about, sort_keys=True)})


class StoredArrays:
    """What `save_arrays` wrote, `metadata` among it, checked before any of it is used."""

    def __init__(self, path: Path, client_id: str, mend: str) -> None:
        """Open a client's file; no array is read yet. Errors end with `mend`, what to do about a file that is wrong.

        Raises:
            BadInput: it is damaged, or another client's.
        """
        self._path, self._mend = path, mend
        self._read: dict[str, NDArray[Any]] = {}
        try:
            self._file = cast(Any, safe_open(path, "numpy"))  # It has no types.
            about = parse_json((self._file.metadata() or {})[_ABOUT])
            owner, self.metadata, self._digest = about["client"], dict(about["metadata"]), about["digest"]
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            raise self.wrong("is no file of a client's, or damaged") from error
        self._about = {"client": client_id, "metadata": self.metadata}
        if owner != client_id:
            raise self.wrong(f"belongs to client {owner!r}, not to client {client_id!r}")

    def wrong(self, problem: str) -> BadInput:
        """The error for something that is wrong with the file."""
        return BadInput(f"{self._path} {problem}: {self._mend}")

    def has(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self._file.keys()  # noqa: SIM118 - it is no mapping

    def array(self, name: str, size: int, dtype: str) -> NDArray[Any]:
        """An array of shape (size,) and of safetensors' `dtype`; what has another shape or type is not read.

        Raises:
            BadInput: it is missing, or another.
        """
        if not self.has(name):
            raise self.wrong(f"has no {name}")
        found = self._file.get_slice(name)
        if found.get_shape() != [size] or found.get_dtype() != dtype:
            raise self.wrong(
                f"has {name} of shape {tuple(found.get_shape())}, {found.get_dtype()}, where ({size},), {dtype} belongs"
            )
        self._read[name] = self._file.get_tensor(name)
        return self._read[name]

    def check_digest(self) -> None:
        """See that all is as it was written; every array has been read.

        Raises:
            BadInput: they are not.
        """
        if _digest(self._about, self._read) != self._digest:
            raise self.wrong("is damaged: its content is not what was written")


def _digest(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def task_vector_file(folder: Path, client_id: str) -> Path:
    """Where a client keeps its own task vector."""
    return client_file(folder, client_id, ".vector")


def save_task_vector(folder: Path, client_id: str, task_vector: NDArray[np.float32]) -> None:
    """Keep a client's own task vector, shape (n,)."""
    save_arrays(task_vector_file(folder, client_id), client_id, {"vector": task_vector})


def load_task_vector(folder: Path, client_id: str, size: int) -> NDArray[np.float32] | None:
    """A client's own task vector, shape (size,); None where it keeps none.

    Raises:
        BadInput: its file is damaged, another client's, or of another size.
    """
    path = task_vector_file(folder, client_id)
    if not path.is_file():
        return None
    stored = StoredArrays(path, client_id, "delete it, and it is made anew")
    vector = stored.array("vector", size, "F32")
    stored.check_digest()
    return vector
