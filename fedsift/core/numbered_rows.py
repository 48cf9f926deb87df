"""Rows that errors name by where a person finds them, which need not be their places among a client's rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, SupportsIndex, TypeVar, overload, runtime_checkable

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row

T = TypeVar("T")

OF_TABLE, HELD_OUT, OWN = "row {} of the table", "held-out row {}", "row {}"  # what errors call a row of a number


@runtime_checkable
class Named(Protocol):
    """Rows that say what errors call each of them."""

    def name(self, place: int) -> str:
        """Of the row at a place among these."""


def row_name(rows: Sequence[Row], place: int) -> str:
    """What an error calls the row at a place: by what they say themselves, else by that place."""
    return rows.name(place) if isinstance(rows, Named) else OWN.format(place + 1)


def each_row(
    function: Callable[[Row], T],
    rows: Sequence[Row],
    client_id: str,
    chosen: Iterable[tuple[int, Row]] | None = None,
) -> Iterator[T]:
    """What a function makes of each row of a client, or of chosen ones, given with their places among all.

    An error names the client and the row: by its number in its table where there is one, else among the client's.
    """
    for place, row in enumerate(rows) if chosen is None else chosen:
        try:
            yield function(row)
        except BadInput as error:
            raise BadInput(f"client {client_id!r}, {row_name(rows, place)}: {error}") from error


class NumberedRows(list[Row]):
    """Rows, and the place of each, from 0, where errors count it."""

    def __init__(self, rows: Iterable[Row], places: Iterable[int], form: str) -> None:
        super().__init__(rows)
        self.places, self.form = list(places), form

    @overload
    def __getitem__(self, place: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> "NumberedRows": ...
    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return NumberedRows(found, self.places[place], self.form) if isinstance(place, slice) else found

    def chosen(self, places: Sequence[int]) -> "NumberedRows":
        """Some of these rows, by their places among these."""
        return NumberedRows([self[place] for place in places], [self.places[place] for place in places], self.form)

    def name(self, place: int) -> str:
        """What an error calls the row at a place among these."""
        return self.form.format(self.places[place] + 1)
