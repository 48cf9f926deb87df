import hashlib

import numpy as np
import pytest

from fedsift.core.contribution import SLICE
from fedsift.core.errors import Refused
from fedsift.core.task_vectors import hash_vector, largest_magnitude, slices


def test_slices_cover_every_entry_once() -> None:
    size = 2 * SLICE + 3
    covered = np.zeros(size, np.int64)
    for entries in slices(size):
        covered[entries] += 1
    assert (covered == 1).all()


def test_the_largest_magnitude_may_be_negative() -> None:
    assert largest_magnitude(np.array([1, -3, 2], np.float32), 3) == 3
    assert largest_magnitude(np.array([1, -3, 4], np.float32), 3) == 4
    assert largest_magnitude(np.zeros(2, np.float32), 2) == 0


@pytest.mark.parametrize(
    ("task_vector", "reason"),
    [
        (np.zeros(2, np.float32), r"shape \(2,\); this merge takes float32 \(3,\)"),
        (np.zeros((1, 3), np.float32), r"shape \(1, 3\)"),
        (np.zeros(3, np.float64), "float64"),
        *((np.array([0, entry, 9], np.float32), "not finite") for entry in (np.nan, np.inf, -np.inf)),
    ],
)
def test_what_cannot_be_merged(task_vector: np.ndarray, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        largest_magnitude(task_vector, 3)


def test_the_hash_is_that_of_all_bytes() -> None:
    vector = np.arange(SLICE + 2, dtype=np.int32)
    state = hashlib.sha256()
    hash_vector(state, vector)
    assert state.digest() == hashlib.sha256(vector.astype("<i4").tobytes()).digest()
