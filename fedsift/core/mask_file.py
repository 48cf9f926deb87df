"""What a client remembers between rounds, one small file each: its mask and levels, its decisions, its scores."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.bit_packing import packed_size
from fedsift.core.client_file import StoredArrays, client_file, save_arrays
from fedsift.core.contribution import Quantised, UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import Decisions

_LOGITS = "base_logits", "voter_logits"
_MEND = "bring the right one back, or let the client leave and join again"


@dataclass(frozen=True)
class ClientMask:
    """What a member keeps to be served."""

    packed: bytes  # its mask, ceil(n / 8) bytes
    l1: float  # the L1 norm of its own quantised task vector
    # its levels, as in its upload, where it is served from them; None where it did not keep them
    packed_levels: bytes | None = None
    scores: dict[str, float] = field(default_factory=dict)  # what it measured while it tuned, by name
    decisions: Decisions | None = None  # of its rows, where there is a shared head
    base_logits: NDArray[np.float32] | None = None  # what M0 says of them, where labels are few; (decisions, labels)
    # of a voter, what its second model says of the rows that it kept out of that tuning; shape (decisions, labels)
    voter_logits: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, quantised: Quantised, keeps_levels: bool) -> "ClientMask":
        """What a client keeps of what it uploads."""
        contribution = quantised.contribution
        levels = bytes(contribution.packed_levels) if keeps_levels else None
        return cls(bytes(contribution.packed_mask), quantised.l1, levels)


def mask_path(folder: Path, client_id: str) -> Path:
    """The file of a client."""
    return client_file(folder, client_id, ".mask")


def aside(folder: Path) -> Path:
    """Where masks lie that are to take the place of those in a folder; made where there is none."""
    path = folder / "aside"
    path.mkdir(exist_ok=True)
    return path


def save_mask(folder: Path, client_id: str, mask: ClientMask, terms: UploadTerms) -> None:
    """Write a client's mask, made under the terms; whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {"packed": np.frombuffer(mask.packed, np.uint8)}
    if mask.packed_levels is not None:
        arrays["levels"] = np.frombuffer(mask.packed_levels, np.uint8)
    if mask.decisions is not None:
        arrays |= {name: each.reshape(-1) for name, each in mask.decisions._asdict().items()}
    metadata = {"l1": mask.l1, "scores": mask.scores, "terms": terms.as_json()}
    if mask.decisions is not None:
        metadata["decisions"] = len(mask.decisions.labels)
    for name in _LOGITS:
        if (logits := getattr(mask, name)) is not None:
            arrays[name], metadata[name] = logits.reshape(-1), list(logits.shape)
    save_arrays(mask_path(folder, client_id), client_id, arrays, metadata)


def load_mask(folder: Path, client_id: str, terms: UploadTerms) -> ClientMask:
    """Read a client's mask.

    Raises:
        BadInput: there is none, or the file is damaged, another client's, or of other terms.
    """
    path = mask_path(folder, client_id)
    if not path.is_file():
        raise BadInput(f"the mask of client {client_id!r} is missing: {path}; {_MEND}")
    stored = StoredArrays(path, client_id, _MEND)
    if stored.metadata.get("terms") != terms.as_json():
        raise stored.wrong("was made under other terms than this federation's")
    packed = stored.array("packed", packed_size(terms.size, 1), "U8")
    levels = None
    if stored.has("levels"):
        kept = int(np.bitwise_count(packed).sum(dtype=np.int64))
        levels = stored.array("levels", packed_size(kept, terms.grid.level_bits), "U8").tobytes()
    decisions = None
    if terms.head and stored.has("features"):
        count, width = int(stored.metadata["decisions"]), terms.head.features
        features = stored.array("features", count * width, "I8").reshape(count, width)
        decisions = Decisions(features, stored.array("labels", count, "I32"), stored.array("rows", count, "I32"))
    said: list[NDArray[np.float32] | None] = []
    for name in _LOGITS:
        shape = [int(each) for each in stored.metadata.get(name, ())]
        said.append(stored.array(name, math.prod(shape), "F32").reshape(shape) if shape else None)
    stored.check_digest()
    l1, scores = float(stored.metadata["l1"]), stored.metadata["scores"]
    return ClientMask(packed.tobytes(), l1, levels, scores, decisions, *said)


def delete_mask(folder: Path, client_id: str) -> None:
    """Forget a client's mask, if there is one."""
    mask_path(folder, client_id).unlink(missing_ok=True)
