from pathlib import Path

import numpy as np
import pytest

from fedsift.core.client_file import load_task_vector, save_task_vector, task_vector_file
from fedsift.core.errors import BadInput

VECTOR = np.array([1.5, -0.0, np.inf], np.float32)


def test_a_task_vector_comes_back(tmp_path: Path) -> None:
    assert load_task_vector(tmp_path, "ann", 3) is None
    save_task_vector(tmp_path, "ann", VECTOR)
    found = load_task_vector(tmp_path, "ann", 3)
    assert found is not None
    assert (found.tobytes(), found.dtype) == (VECTOR.tobytes(), np.float32)


def test_what_is_no_vector_of_this_client_is_refused(tmp_path: Path) -> None:
    save_task_vector(tmp_path, "ann", VECTOR)
    with pytest.raises(BadInput, match=r"ann-.* has vector of shape \(3,\), F32, where \(4,\), F32 belongs: delete it"):
        load_task_vector(tmp_path, "ann", 4)
    file = task_vector_file(tmp_path, "ann")
    task_vector_file(tmp_path, "bob").write_bytes(file.read_bytes())
    with pytest.raises(BadInput, match=r"bob-.* belongs to client 'ann', not to client 'bob': delete it"):
        load_task_vector(tmp_path, "bob", 3)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"ann-.* is no file of a client's, or damaged"):
        load_task_vector(tmp_path, "ann", 3)
