import numpy as np
import pyarrow as pa
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example, rows_digest
from fedsift.data.held_out import HeldOutRows
from fedsift.data.table import TableDataset, split_by_column
from fedsift.data.table_rows import TableRows
from fedsift.data.template import Template

NAMES = ["ann", "bob", "ann", "ann", "bob", "ann", "ann"]


@pytest.fixture(params=[10_000, 3], ids=["few", "many"])
def dataset(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TableDataset:
    """Two clients of a table in pieces of two rows; ann's five are many or few."""
    monkeypatch.setattr("fedsift.data.table.MANY", request.param)
    table = pa.table({"who": NAMES, "q": [f"q{each}" for each in range(7)], "a": [f"a{each}" for each in range(7)]})
    pieces = pa.Table.from_batches(table.to_batches(max_chunksize=2))
    return TableDataset(pieces, split_by_column(table, "who"), Template("{q}", "a"))


def test_many_rows_are_what_few_are(dataset: TableDataset) -> None:
    expected = [Example(f"q{each}", f" a{each}") for each in (0, 2, 3, 5, 6)]
    rows = dataset.train_examples("ann")
    assert list(rows) == expected
    assert [rows[place] for place in (0, 2, -1)] == [expected[place] for place in (0, 2, -1)]
    assert rows[1:4] == expected[1:4]
    assert rows_digest(rows) == rows_digest(expected)


def test_the_same_rows_are_held_out(dataset: TableDataset) -> None:
    split = HeldOutRows(dataset, 0.4, seed=7)
    held_in, held_out = list(split.train_examples("ann")), list(split.test_examples("ann"))
    assert len(held_out) == 2
    assert sorted(held_in + held_out) == list(dataset.train_examples("ann"))
    assert held_in == sorted(held_in)


def test_no_row_is_made_before_it_is_asked_for() -> None:
    table = pa.table({"q": ["one", None, "three"], "a": ["1", "2", "3"]})
    rows = TableRows(table.to_batches(), np.array([3]), np.arange(3), Template("{q}", "a"))
    assert rows[2] == Example("three", " 3")
    for ask in (lambda: rows[1], lambda: rows[:2], lambda: list(rows)):
        with pytest.raises(BadInput, match=r"row 2 has nothing in column 'q'"):
            ask()
