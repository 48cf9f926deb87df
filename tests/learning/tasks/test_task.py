"""Batches, micro-batches and scores of any task; here of one that knows nothing of texts."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.learning.tasks.task import Task, encode_rows, mean_score, to_device, training_steps


class Numbers(Task):
    """Rows are numbers; a row of 10 counts twice."""

    def encode(self, row: Any) -> int:
        if not isinstance(row, int):
            raise BadInput(f"{row!r} is no number")
        return row

    def terms(self, encoded: int) -> int:
        return 2 if encoded == 10 else 1

    def batch(self, encoded: Sequence[int]) -> Tensor:
        return torch.tensor(encoded)

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        return batch.double().mean()

    def scores(self, model: nn.Module, batch: Tensor) -> Tensor:
        return batch.double()


def steps(rows: list[int], batch_size: int, micro_batch: int = 0, seed: int = 1) -> list[list[tuple[list[int], float]]]:
    made = training_steps(Numbers(), rows, 6, batch_size, micro_batch, seed)
    return [[(batch.tolist(), share) for batch, share in step] for step in made]


def test_a_small_client_trains_on_all_its_rows() -> None:
    assert steps([1, 2, 3], batch_size=3) == [[([1, 2, 3], 1.0)]] * 6


def test_a_large_client_sees_each_row_once_an_epoch() -> None:
    rows = [*range(6)]
    made = [batch for step in steps(rows, batch_size=2) for batch, _ in step]
    assert sorted(chain(*made[:3])) == sorted(chain(*made[3:])) == rows
    assert made[:3] != made[3:]
    assert made == [batch for step in steps(rows, batch_size=2) for batch, _ in step]
    assert made != [batch for step in steps(rows, batch_size=2, seed=2) for batch, _ in step]


def test_micro_batches_are_weighed_by_their_terms() -> None:
    assert steps([1, 2, 10, 3, 4], batch_size=5, micro_batch=2)[0] == [([1, 2], 2 / 6), ([10, 3], 3 / 6), ([4], 1 / 6)]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_mean_score_does_not_depend_on_the_batch(batch_size: int) -> None:
    assert mean_score(Numbers(), nn.Module(), [1, 2, 3, 4, 7], batch_size, torch.device("cpu")) == 3.4


def test_errors_name_client_and_row() -> None:
    with pytest.raises(BadInput, match="client 'ann', row 2: 'x' is no number"):
        encode_rows(Numbers(), [1, "x"], "ann")
    with pytest.raises(BadInput, match="client 'ann' has no rows"):
        encode_rows(Numbers(), [], "ann")


def test_tensors_are_found_in_whatever_holds_them() -> None:
    meta = torch.device("meta")
    moved = to_device({"a": [torch.zeros(2), (torch.ones(1), "text")], "b": 3}, meta)
    assert moved["a"][0].device == moved["a"][1][0].device == meta
    assert (moved["a"][1][1], moved["b"]) == ("text", 3)


def test_of_many_rows_only_those_that_are_asked_for_are_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [3, 1, 4, "x", 5, 9]
    monkeypatch.setattr("fedsift.learning.tasks.task._MANY", 5)
    encoded = encode_rows(Numbers(), rows, "ann")
    one_by_one = [encode_rows(Numbers(), [row], "ann")[0] for row in rows if row != "x"]
    assert len(encoded) == 6
    assert [*encoded[:3], *encoded[4:]] == one_by_one
    assert [encoded[place] for place in (0, 1, 2, -2, -1)] == one_by_one
    for ask in (lambda: encoded[3], lambda: encoded[2:5], lambda: list(encoded)):
        with pytest.raises(BadInput, match=r"client 'ann', row 4: "):
            ask()
