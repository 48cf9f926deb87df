"""Rows of a table that are made when they are asked for: a client may have a million."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.numbered_rows import OF_TABLE, OWN, NumberedRows
from fedsift.data.template import RowMaker

MANY = 10_000  # rows; so many are not all made at once
_AT_ONCE = 1_000


class TableRows(Sequence[Row]):
    """Some rows of a table, in an order of their own; asking for one that nothing can be made of raises `BadInput`."""

    def __init__(
        self, batches: Sequence[pa.RecordBatch], ends: NDArray[np.intp], places: NDArray[np.intp], make: RowMaker
    ) -> None:
        """Of batches whose last rows have the numbers `ends` - 1 in the table, the rows `places`, shape (rows,)."""
        self._batches, self._ends, self._places, self._make = batches, ends, places, make

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return self.chosen(np.arange(len(self))[place]).made()
        return next(self._made(self._places[[place]]))

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._made(self._places[start : start + _AT_ONCE])

    def chosen(self, places: NDArray[np.intp]) -> "TableRows":
        """Some of these rows, by their places among these."""
        return TableRows(self._batches, self._ends, self._places[places], self._make)

    def made(self) -> NumberedRows:
        """All of them, made now."""
        return NumberedRows(self, self._places.tolist(), OF_TABLE)

    def name(self, place: int) -> str:
        """What an error calls the row at a place among these."""
        return OF_TABLE.format(self._places[place] + 1)

    def _made(self, rows: NDArray[np.intp]) -> Iterator[Row]:
        for row, cells in zip(rows.tolist(), self._cells(rows), strict=True):
            try:
                yield self._make(cells)
            except BadInput as error:
                raise BadInput(f"row {row + 1} {error}") from error

    def _cells(self, rows: NDArray[np.intp]) -> Iterator[Mapping[str, Any]]:
        batches = np.searchsorted(self._ends, rows, side="right")
        for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(batches)) + 1):
            batch = self._batches[batches[part[0]]]
            first = self._ends[batches[part[0]]] - len(batch)
            yield from batch.take(pa.array(rows[part] - first)).to_pylist()


def chosen_rows(rows: Sequence[Row], places: NDArray[np.intp]) -> Sequence[Row]:
    """Some of a client's rows, by their places among these; many are only made when they are asked for."""
    if isinstance(rows, TableRows):
        return rows.chosen(places)
    numbered = rows if isinstance(rows, NumberedRows) else NumberedRows(rows, range(len(rows)), OWN)
    return numbered.chosen(places.tolist())
