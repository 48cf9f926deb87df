from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.data.federated_dataset import dataset_digest
from fedsift.data.function_dataset import FunctionDataset, dataset_of
from fedsift.data.stored_rows import StoredRows, write_rows

SIGNAL = np.arange(6, dtype="<f4").reshape(2, 3)


def kept(clients: Any, folder: Path) -> StoredRows:
    write_rows(dataset_of(clients, "rows"), folder / "data.rows")
    return StoredRows(folder / "data.rows")


def same(one: Any, other: Any) -> bool:
    """Whether two values are of the same types and hold the same, bit by bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    return repr(one) == repr(other)


def test_pairs_come_back_with_their_blanks_and_in_their_order(tmp_path: Path) -> None:
    clients = {"bob": [("Q: sky?\nA:", " blue"), ["no gap", "é"]], "ann": [Example("p ", "t ")] * 2}
    stored = kept(clients, tmp_path)
    assert stored.client_ids == ["bob", "ann"]
    for client_id, rows in clients.items():
        assert same(list(stored.train_examples(client_id)), rows)
        assert same(list(stored.test_examples(client_id)), rows)


def test_rows_to_test_on_are_kept_where_there_are_others(tmp_path: Path) -> None:
    rows = {"a train": [1], "a test": [2, 3], "b train": [4], "b test": [4]}
    dataset = FunctionDataset(["a", "b"], lambda each: rows[f"{each} train"], lambda each: rows[f"{each} test"])
    stored = kept(dataset, tmp_path)
    assert dataset_digest(stored, "ab") == dataset_digest(dataset, "ab")
    assert [stored.train_examples("a"), stored.test_examples("a")] == [[1], [2, 3]]


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
numbers = arrays.arrays(st.sampled_from(["<f4", ">i2", "bool", "<U3", "<M8[s]"]), st.tuples(st.integers(0, 3)))
values = st.recursive(
    plain | numbers,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(plain.filter(lambda x: x == x), inner),
    max_leaves=8,
)


@given(rows=st.lists(values, min_size=1, max_size=3))
def test_whatever_is_kept_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    assert same(list(kept({"ann": rows}, tmp_path_factory.mktemp("kept")).train_examples("ann")), rows)


def test_arrays_can_be_written_to(tmp_path: Path) -> None:
    ((signal, number),) = kept({"ann": [(SIGNAL, np.float32(2))]}, tmp_path).train_examples("ann")
    assert same((signal, number), (SIGNAL, np.float32(2)))
    signal += 1


@pytest.mark.parametrize("value", [torch.zeros(2), {1}, b"bytes", object(), np.array([None]), np.zeros(2, "i4,f4")])
def test_what_would_not_come_back_is_refused_by_name(tmp_path: Path, value: Any) -> None:
    with pytest.raises(BadInput, match=r"client 'ann', row 2 holds .*would not keep as it is; give .* module:function"):
        kept({"ann": ["fine", [value]]}, tmp_path)


def test_a_row_that_holds_itself_is_an_error(tmp_path: Path) -> None:
    row: list[Any] = []
    row.append(row)
    with pytest.raises(BadInput):
        kept({"ann": [row]}, tmp_path)
