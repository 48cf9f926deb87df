"""Masks live with the clients: one small file each."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from fedsift.errors import BadInput


@dataclass(frozen=True)
class ClientMask:
    """What a member keeps to be served.

    Attributes:
        packed: its mask, ceil(n / 8) bytes.
        l1: the L1 norm of its own quantised task vector.
    """

    packed: bytes
    l1: float


def mask_path(folder: Path, client_id: str) -> Path:
    """The file of a client: readable, and unique whatever characters the id holds and however the disk treats case."""
    digest = hashlib.sha256(client_id.encode()).hexdigest()[:16]
    return folder / f"{quote(client_id, safe='')[:100]}-{digest}.npz"


def save_mask(folder: Path, client_id: str, mask: ClientMask) -> None:
    """Write a client's mask, whole or not at all."""
    path = mask_path(folder, client_id)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, packed=np.frombuffer(mask.packed, np.uint8), l1=np.float64(mask.l1))
    partial.replace(path)


def load_mask(folder: Path, client_id: str) -> ClientMask:
    """Read a client's mask."""
    path = mask_path(folder, client_id)
    if not path.is_file():
        raise BadInput(f"the mask of client {client_id!r} is missing: {path}")
    with np.load(path, allow_pickle=False) as stored:
        return ClientMask(stored["packed"].tobytes(), float(stored["l1"]))


def delete_mask(folder: Path, client_id: str) -> None:
    """Forget a client's mask, if there is one."""
    mask_path(folder, client_id).unlink(missing_ok=True)
