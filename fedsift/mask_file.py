"""What a client remembers between rounds, one small file each: its mask, levels and L1 norm, its own scores."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fedsift.client_file import client_file
from fedsift.contribution import Quantised
from fedsift.errors import BadInput


@dataclass(frozen=True)
class ClientMask:
    """What a member keeps to be served.

    Attributes:
        packed: its mask, ceil(n / 8) bytes.
        l1: the L1 norm of its own quantised task vector.
        packed_levels: its levels, as in its upload, where it is served from them; None where it did not keep them.
        scores: what it measured while it tuned, by name.
    """

    packed: bytes
    l1: float
    packed_levels: bytes | None = None
    scores: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, quantised: Quantised, keeps_levels: bool) -> "ClientMask":
        """What a client keeps of what it uploads."""
        contribution = quantised.contribution
        levels = bytes(contribution.packed_levels) if keeps_levels else None
        return cls(bytes(contribution.packed_mask), quantised.l1, levels)


def mask_path(folder: Path, client_id: str) -> Path:
    """The file of a client."""
    return client_file(folder, client_id, ".npz")


def save_mask(folder: Path, client_id: str, mask: ClientMask) -> None:
    """Write a client's mask, whole or not at all."""
    path = mask_path(folder, client_id)
    partial = path.with_suffix(".partial")
    arrays: dict[str, Any] = {
        "packed": np.frombuffer(mask.packed, np.uint8),
        "l1": np.float64(mask.l1),
        "scores": np.frombuffer(json.dumps(mask.scores).encode(), np.uint8),
    }
    if mask.packed_levels is not None:
        arrays["levels"] = np.frombuffer(mask.packed_levels, np.uint8)
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.replace(path)


def load_mask(folder: Path, client_id: str) -> ClientMask:
    """Read a client's mask."""
    path = mask_path(folder, client_id)
    if not path.is_file():
        raise BadInput(f"the mask of client {client_id!r} is missing: {path}")
    with np.load(path, allow_pickle=False) as stored:
        levels = stored["levels"].tobytes() if "levels" in stored else None
        scores = json.loads(stored["scores"].tobytes())
        return ClientMask(stored["packed"].tobytes(), float(stored["l1"]), levels, scores)


def delete_mask(folder: Path, client_id: str) -> None:
    """Forget a client's mask, if there is one."""
    mask_path(folder, client_id).unlink(missing_ok=True)
