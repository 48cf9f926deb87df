"""Client data from tables: csv, jsonl and parquet files, or anything that `datasets` can load."""

import string
from collections.abc import Callable, Mapping, Sequence
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.data.examples import Example
from fedsift.errors import BadInput, unknown_name

_EMPTY = "corresponds to no data"  # what the reader says of a file without rows
_READERS = {".csv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}

# Which rows of a table belong to which client, in the clients' order; each client's rows of shape (rows,).
Split = Mapping[str, NDArray[np.intp]]


class TableDataset:
    """The rows of a table, split into clients, each rendered to a prompt and a target.

    The table is memory-mapped; a client's rows are read when they are asked for.
    """

    def __init__(self, table: Any, split: Split, render: Callable[[Mapping[str, Any]], Example]) -> None:
        """Put a table and a split of it together.

        Args:
            table: a `datasets.Dataset`.
            split: as `split_by_column` or `fedsift.data.partition` makes it.
            render: makes an example of a row, given by column; such as a `Template`.
        """
        self.client_ids = list(split)
        self._table, self._split, self._render = table, split, render

    def train_examples(self, client_id: str) -> Sequence[Example]:
        """A client's rows, in the order of the split."""
        rows = self._table[self._split[client_id].tolist()]
        return [self._render(dict(zip(rows, values, strict=True))) for values in zip(*rows.values(), strict=True)]

    test_examples = train_examples


class Template:
    """A prompt with columns in braces, and the column that holds the text to predict."""

    def __init__(self, prompt: str, target: str) -> None:
        r"""Read the template.

        Args:
            prompt: such as "Question: {question}\nAnswer:".
            target: the column of the text to predict. It is set off from the prompt by one space unless the prompt ends
                in white space itself.

        Raises:
            BadInput: no column in braces, or a lone brace.
        """
        self.prompt, self.target = prompt, target
        self.prompt_columns = _fields(prompt)

    def __call__(self, row: Mapping[str, Any]) -> Example:
        """The example of one row."""
        return Example(self.prompt.format_map(row), f"{gap_after(self.prompt)}{row[self.target]}")

    def check(self, table: Any, name: str) -> None:
        """See that a table has every column, with something in each row.

        Raises:
            BadInput: it has not; the message names column and row.
        """
        for option, column in [("target", self.target), *(("prompt", field) for field in self.prompt_columns)]:
            check_column(table, column, option, name)


def gap_after(prompt: str) -> str:
    """What sets a target off from its prompt: a space, unless the prompt ends in white space itself."""
    return "" if prompt[-1:].isspace() else " "


def check_column(table: Any, column: str, option: str, name: str) -> None:
    """See that the column given for an option is there, with something in each row.

    Raises:
        BadInput: it is not; the message names column and row.
    """
    import pyarrow
    import pyarrow.compute as compute

    if column not in table.column_names:
        raise BadInput(f"{option}: {unknown_name('column', column, table.column_names)} in {name}")
    values = table.data.column(column)
    try:
        values.validate(full=True)  # The reader of JSON lets any bytes through.
    except pyarrow.ArrowInvalid as error:
        raise BadInput(f"{name}: column {column!r} is no valid UTF-8: {error}; write the file as UTF-8") from error
    empty = compute.is_null(values)
    if values.type in ("string", "large_string"):
        empty = compute.or_(empty, compute.equal(compute.fill_null(values, ""), ""))
    if compute.any(empty).as_py():
        row = compute.index(empty, True).as_py()
        raise BadInput(f"{name}: row {row + 1} has nothing in column {column!r}; fill it or drop the row")


def split_by_column(table: Any, column: str) -> dict[str, NDArray[np.intp]]:
    """One client for each value of a column, as text, in the order of first appearance; rows in the table's order."""
    import pyarrow

    values = table.data.column(column).cast(pyarrow.string()).combine_chunks().dictionary_encode()
    codes = values.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    return dict(zip(map(str, values.dictionary.to_pylist()), rows, strict=True))


def is_file(name: str) -> bool:
    """Whether a name is that of a file which `open_table` reads."""
    return Path(name).suffix.lower() in _READERS


def open_table(name: str) -> Any:
    """A `datasets.Dataset` over a csv, jsonl or parquet file, or the train split of a data set on the hub.

    Args:
        name: a path, or "owner/name", with a subset as "owner/name:subset".

    Raises:
        BadInput: there is no such file, it cannot be read, it has no rows, or the hub does not hand it over.
    """
    if is_file(name):
        if not Path(name).is_file():
            raise BadInput(f"dataset file {name} does not exist")
        suffix = Path(name).suffix.lower()
        return load_quietly(f"dataset file {name}", f"as {suffix[1:]}", _READERS[suffix], data_files=name)
    owner_and_name, _, subset = name.partition(":")
    return load_quietly(f"dataset {name}", "from the hub", owner_and_name, subset or None)


def load_quietly(name: str, how: str, *arguments: Any, **options: Any) -> Any:
    """The train split of what `datasets.load_dataset` loads, without bars and warnings, its failures told in one line.

    Args:
        name: what errors call it.
        how: what was tried, for an error.
        *arguments: of `datasets.load_dataset`.
        **options: of `datasets.load_dataset`.

    Raises:
        BadInput: it cannot be loaded, or has no rows.
    """
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    getLogger("huggingface_hub").setLevel(ERROR)  # Without a network it would tell of each of its retries.
    try:
        return datasets.load_dataset(*arguments, split="train", **options)
    except (datasets.exceptions.DatasetGenerationError, ValueError, OSError, RuntimeError, StopIteration) as error:
        reason = (str(error.__cause__ or error).strip() or _EMPTY).splitlines()[0]
        if _EMPTY in reason:
            raise BadInput(f"{name} has no rows") from error
        raise BadInput(f"{name} cannot be read {how}: {reason}") from error


def _fields(prompt: str) -> list[str]:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(prompt) if field is not None]
    except ValueError as error:
        raise BadInput(f"prompt {prompt!r}: {error}; write literal braces as {{{{ and }}}}") from error
    if not fields:
        raise BadInput(f"prompt {prompt!r} names no column; put one in braces, such as {{question}}")
    return fields
