"""What a client remembers between rounds, one small file each: its mask, its L1 norm, its own scores."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fedsift.client_file import client_file
from fedsift.errors import BadInput


@dataclass(frozen=True)
class ClientMask:
    """What a member keeps to be served.

    Attributes:
        packed: its mask, ceil(n / 8) bytes.
        l1: the L1 norm of its own quantised task vector.
        scores: what it measured while it tuned, by name.
    """

    packed: bytes
    l1: float
    scores: dict[str, float] = field(default_factory=dict)


def mask_path(folder: Path, client_id: str) -> Path:
    """The file of a client."""
    return client_file(folder, client_id, ".npz")


def save_mask(folder: Path, client_id: str, mask: ClientMask) -> None:
    """Write a client's mask, whole or not at all."""
    path = mask_path(folder, client_id)
    partial = path.with_suffix(".partial")
    scores = np.frombuffer(json.dumps(mask.scores).encode(), np.uint8)
    with partial.open("wb") as file:
        np.savez(file, packed=np.frombuffer(mask.packed, np.uint8), l1=np.float64(mask.l1), scores=scores)
    partial.replace(path)


def load_mask(folder: Path, client_id: str) -> ClientMask:
    """Read a client's mask."""
    path = mask_path(folder, client_id)
    if not path.is_file():
        raise BadInput(f"the mask of client {client_id!r} is missing: {path}")
    with np.load(path, allow_pickle=False) as stored:
        return ClientMask(stored["packed"].tobytes(), float(stored["l1"]), json.loads(stored["scores"].tobytes()))


def delete_mask(folder: Path, client_id: str) -> None:
    """Forget a client's mask, if there is one."""
    mask_path(folder, client_id).unlink(missing_ok=True)
