"""Tables in memory, of whatever kind users have them, as tables of texts."""

from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa

from fedsift.core.errors import BadInput
from fedsift.data.cells import cell_of, texts_of_columns
from fedsift.data.columns import Columns, check_names


def is_table(source: Any) -> bool:
    """Whether a value is of one of the kinds that `text_table` takes."""
    return isinstance(source, pa.Table) or _is_hugging_face(source) or _is_frame(source)


def _is_hugging_face(source: Any) -> bool:
    return hasattr(source, "with_format") and isinstance(getattr(source, "num_rows", None), int)


def _is_frame(source: Any) -> bool:
    return hasattr(source, "iloc") and hasattr(source, "columns")


def text_table(source: Any, columns: Columns, name: str = "the table", lists: Collection[str] = ()) -> pa.Table:
    """Some columns of a pandas DataFrame, a `datasets.Dataset` or a pyarrow Table, as texts; null where it has nothing.

    Columns in `lists` may hold lists of texts. Errors call the table by its `name`.

    Raises:
        BadInput: it is something else, a column is not there, or has no texts.
    """
    if isinstance(source, pa.Table):
        check_names(columns, source.column_names, name)
        table = source
    elif _is_hugging_face(source):
        check_names(columns, source.column_names, name)
        if source.format["type"] == "custom":
            raise BadInput(f"{name} has a transform, which makes its rows anew each time; apply it with map() first")
        # Not its `data`: they have all rows that it ever had; a selection or a new order of them stands beside it.
        table = source.select_columns(list(columns)).with_format("arrow")[:]
    elif _is_frame(source):
        if odd := [label for label in source.columns if not isinstance(label, str)]:
            raise BadInput(f"{name} has a column whose name is no text: {odd[0]!r}; rename it to a text")
        check_names(columns, list(source.columns), name)
        table = pa.table(
            {column: _of_series(source[column], column, option, name) for column, option in columns.items()}
        )
    else:
        expected = "a pandas DataFrame, a datasets.Dataset or a pyarrow Table"
        raise BadInput(f"{name} is a {type(source).__name__}; expected {expected}")
    return texts_of_columns(table, columns, name, lists)


def _of_series(values: Any, column: str, option: str, name: str) -> pa.Array:
    """A pandas Series by Arrow's type; one of Python objects as texts, value by value."""
    if values.dtype == object:
        return _texts(values, column, option, name)
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError) as error:
        raise BadInput(f"{name}: column {column!r} is of type {values.dtype}, expected texts") from error


def _texts(values: Iterable[Any], column: str, option: str, name: str) -> pa.Array:
    texts, cell = [], cell_of(option)
    for number, value in enumerate(values, start=1):
        try:
            texts.append(cell(value))
        except BadInput as error:
            raise BadInput(f"{name}: row {number}: column {column!r} {error}") from error
    return pa.array(texts, pa.string())
