import numpy as np
import pytest
import torch

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example, rows_digest
from fedsift.data.federated_dataset import dataset_digest
from fedsift.data.function_dataset import FunctionDataset
from fedsift.data.held_out import HeldOutRows


def numbered(rows: int) -> FunctionDataset:
    return FunctionDataset(["a", "b"], lambda client_id: [(f"{client_id}{row}", " t") for row in range(rows)])


def test_digests_see_every_row_and_who_has_it() -> None:
    data = numbered(2)
    digests = {
        dataset_digest(data, ["a"]),
        dataset_digest(data, ["a", "b"]),
        dataset_digest(data, ["b", "a"]),
        dataset_digest(numbered(3), ["a"]),
        dataset_digest(HeldOutRows(numbered(3), 0.4, 1), ["a"]),
    }
    assert len(digests) == 5
    assert dataset_digest(numbered(2), ["a"]) == dataset_digest(data, ["a"])


def test_rows_of_texts_and_of_numbers() -> None:
    assert rows_digest([Example("p", " t")]) == rows_digest([("p", " t")]) == rows_digest([["p", " t"]])
    rows = [(np.arange(3, dtype=np.float32), 1), (np.arange(3, dtype=np.float64), 1), (np.arange(3), 1)]
    assert len({rows_digest([row]) for row in rows}) == 3
    assert rows_digest([(torch.arange(3), 1)]) == rows_digest([(np.arange(3), 1)])
    assert rows_digest([np.zeros((2, 3))]) != rows_digest([np.zeros((3, 2))])
    assert rows_digest([{1: "a"}]) != rows_digest([{"1": "a"}])
    assert rows_digest([b"a"]) != rows_digest([b"a\0"])
    with pytest.raises(BadInput, match="a row is no JSON"):
        rows_digest([10**5000])
    with pytest.raises(BadInput, match=r"a row holds <object object.*, a object; expected texts, numbers or arrays"):
        rows_digest([(object(), 1)])
