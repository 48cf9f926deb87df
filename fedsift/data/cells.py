"""What text a cell has, for single values and for Arrow columns (the table in docs/reference/cells.md).

A text is itself. A number's text is what the file has or, where a source holds numbers and not their texts, the
shortest that reads back as the same number. Nothing (None, null, no number) has no text; all else is an error.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa

from fedsift.core.errors import BadInput, invalid_character
from fedsift.data.columns import MESSAGES, Columns

_LIST, _STRUCT, _BYTES, _TIME = "a list", "a struct", "bytes", "a time"
_ADVICE = {
    _LIST: "join it to one text first, such as ', '.join(values)",
    _STRUCT: "put the field that is meant into a column of its own",
    _BYTES: "decode them first, such as value.decode('utf-8')",
    _TIME: "write it as a text first, such as value.isoformat()",
}
_ARROW_KINDS = (
    (_LIST, (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)),
    (_LIST, (pa.types.is_list_view, pa.types.is_large_list_view)),
    (_STRUCT, (pa.types.is_struct, pa.types.is_map, pa.types.is_union)),
    (_BYTES, (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)),
    (_TIME, (pa.types.is_temporal,)),
)
_VALUE_KINDS: Sequence[tuple[str, tuple[type, ...]]] = (
    (_LIST, (list, tuple, set, frozenset, np.ndarray)),
    (_STRUCT, (Mapping,)),
    (_BYTES, (bytes, bytearray, memoryview)),
    (_TIME, (date, time, timedelta, np.datetime64, np.timedelta64)),
)


def text_of(value: Any) -> str | None:
    """The text of a value, None for nothing.

    Raises:
        BadInput: it is neither text nor number nor truth value, or no valid Unicode; the message says what it is and
            how to make it a text, and goes on from where it is.
    """
    if isinstance(value, str):
        if place := invalid_character(value):
            raise BadInput(f"holds no valid Unicode at character {place}")
        return str.__str__(value)  # Of an Enum's member or the like, the text that it is.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # as pandas calls nothing
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    kind = next((kind for kind, types in _VALUE_KINDS if isinstance(value, types)), "")
    if isinstance(value, Integral) and not kind:  # NumPy counts its time spans among the integers.
        return str(int(value))
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else str(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else format(value, "f")
    raise _no_text(f"holds {kind or type(value).__name__}", kind)


def conversation_of(value: Any) -> str | None:
    """A conversation as JSON, None for nothing: of a list its JSON, and a text is that of a list already.

    Raises:
        BadInput: a list holds what JSON has not.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return text_of(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"holds no JSON: {error}") from error


def cell_of(option: str) -> Callable[[Any], str | None]:
    """What makes a text of a cell in a column that an option names."""
    return conversation_of if option == MESSAGES else text_of


def column_of_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of a column, of Arrow's type string or large_string; null for nothing.

    Raises:
        BadInput: the column's type has no text, or its texts are no valid UTF-8; the message goes on from the column's
            name.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        chunks = [chunk.to_numpy(zero_copy_only=False) for chunk in values.chunks]  # Of its own precision.
        return pa.chunked_array([pa.array(map(text_of, chunk), pa.string()) for chunk in chunks], pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _valid(values)
    castable = pa.types.is_string_view, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null
    if any(fits(kind) for fits in castable):
        return _valid(values.cast(pa.string()))
    found = next((name for name, fits in _ARROW_KINDS if any(each(kind) for each in fits)), "")
    raise _no_text(f"is of type {kind}", found)


def _valid(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        texts.validate(full=True)  # Readers of parquet let any bytes through.
    except pa.ArrowInvalid as error:
        raise BadInput(f"is no valid UTF-8 ({error}); write it as UTF-8") from error
    return texts


def _no_text(what: str, kind: str) -> BadInput:
    return BadInput(f"{what}, expected texts; {_ADVICE.get(kind, 'make it a text first')}")


def texts_of_columns(table: pa.Table, columns: Columns, source: str, lists: Collection[str] = ()) -> pa.Table:
    """Some columns of a table, each as `column_of_texts` makes it; lists of texts stay as they are in those of `lists`.

    Conversations become JSON.

    Raises:
        BadInput: a column has no texts; the message names it.
    """
    made = {}
    for name, option in columns.items():
        column = table.column(name)
        try:
            if option == MESSAGES and is_list(column.type):
                column = pa.chunked_array([pa.array(map(conversation_of, column.to_pylist()), pa.string())])
            keeps = name in lists and is_list(column.type) and pa.types.is_string(column.type.value_type)
            made[name] = column if keeps else column_of_texts(column)
        except BadInput as error:
            raise BadInput(f"{source}: column {name!r} {error}") from error
    return pa.table(made)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    return any(fits(kind) for name, all_fits in _ARROW_KINDS if name == _LIST for fits in all_fits)
