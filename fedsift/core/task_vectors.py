"""Task vectors as arrays: which can be merged, how they are gone through, and how accumulators are hashed."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE
from fedsift.core.errors import Refused

Vector = NDArray[np.float32]  # a task vector, or magnitudes; shape (n,)
Mask = NDArray[np.bool_]  # shape (n,)


def slices(size: int) -> Iterator[slice]:
    """Slices of `size` entries: what is float64 or int64 for a moment is never so as a whole."""
    for start in range(0, size, SLICE):
        yield slice(start, start + SLICE)


def largest_magnitude(task_vector: Vector, size: int) -> float:
    """The largest |tau| of a task vector that can be merged, found without a temporary.

    Raises:
        Refused: it is not float32 of shape (size,), or has an entry that is not finite.
    """
    if task_vector.dtype != np.float32 or task_vector.shape != (size,):
        raise Refused(
            f"a task vector of {task_vector.dtype} and shape {task_vector.shape}; this merge takes float32 ({size},)"
        )
    largest = float(np.maximum(task_vector.max(initial=0.0), -task_vector.min(initial=0.0)))
    if not np.isfinite(largest):
        raise Refused("a task vector has an entry that is not finite: the training that made it diverged")
    return largest


def hash_vector(state: "hashlib._Hash", vector: NDArray[Any]) -> None:
    """Feed an accumulator, shape (n,), in its own type, little-endian."""
    for entries in slices(len(vector)):
        state.update(vector[entries].astype(vector.dtype.newbyteorder("<"), copy=False).data)
