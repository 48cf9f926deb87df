import gc
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ArrayRecord
from numpy.typing import NDArray

from fedsift.protocol.messages import float_array, read_float_array
from fedsift.protocol.vector_file import VectorFile, can_share_files

pytestmark = pytest.mark.skipif(not can_share_files(), reason="open files are found in Linux's /proc")

SLICES = [np.arange(3, dtype=np.float32), np.array([-1.5, np.inf], np.float32)]


def received(pickled: bytes) -> NDArray[np.float32]:
    return read_float_array(pickle.loads(pickled)["x"])  # noqa: S301  Our own.


def record_of(vector: VectorFile) -> ArrayRecord:
    record = ArrayRecord()
    record["x"] = vector
    return record


def test_another_process_reads_what_was_written(tmp_path: Path) -> None:
    """Of a record of any size, what is sent is the place alone; the folder shows no file."""
    vector = VectorFile(iter(SLICES * 10_000), tmp_path)
    sent = pickle.dumps(record_of(vector))
    assert len(sent) < 1000 and not list(tmp_path.iterdir())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(received, (sent,))
    assert np.array_equal(found, np.concatenate(SLICES * 10_000))


@pytest.mark.parametrize("slices", [SLICES, [], [np.empty(0, np.float32)]])
def test_it_reads_as_the_same_array_in_memory(slices: list[NDArray[np.float32]], tmp_path: Path) -> None:
    vector = VectorFile(slices, tmp_path)
    whole = np.concatenate([np.empty(0, np.float32), *slices])
    in_memory = float_array(whole)
    for each in (vector, pickle.loads(pickle.dumps(vector))):  # noqa: S301  Our own.
        assert (each.dtype, each.shape, each.stype) == (in_memory.dtype, in_memory.shape, in_memory.stype)
        assert bytes(each.data) == in_memory.data
        assert np.array_equal(read_float_array(each), whole)


def test_what_is_mapped_outlives_its_owner_and_the_file_does_not(tmp_path: Path) -> None:
    vector = VectorFile(SLICES, tmp_path)
    sent = pickle.dumps(record_of(vector))
    mapped = received(sent)
    del vector
    gc.collect()
    assert mapped[3] == -1.5
    with pytest.raises(OSError, match="No such file"):
        received(sent)
