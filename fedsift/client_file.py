"""One file for each client, whatever its id looks like, written whole or not at all."""

import hashlib
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray


def client_file(folder: Path, client_id: str, suffix: str) -> Path:
    """The file of a client: readable, and unique whatever characters the id holds and however the disk treats case."""
    digest = hashlib.sha256(client_id.encode()).hexdigest()[:16]
    return folder / f"{quote(client_id, safe='')[:100]}-{digest}{suffix}"


def save_task_vector(folder: Path, client_id: str, task_vector: NDArray[np.float32]) -> None:
    """Keep a client's own task vector, shape (n,)."""
    path = client_file(folder, client_id, ".npy")
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, task_vector)
    partial.replace(path)


def load_task_vector(folder: Path, client_id: str) -> NDArray[np.float32] | None:
    """A client's own task vector, mapped from its file; None where it keeps none."""
    path = client_file(folder, client_id, ".npy")
    return np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None
