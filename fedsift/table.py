"""Client data from a csv, jsonl or parquet file: one column says whose row it is."""

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedsift.errors import BadInput, unknown_name
from fedsift.examples import Example

_EMPTY = "corresponds to no data"  # what the reader says of a file without rows
_READERS = {".csv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}


class TableDataset:
    """The rows of a file, grouped by a column, each rendered to a prompt and a target.

    The table is memory-mapped; a client's rows are read when they are asked for.
    """

    def __init__(self, file: str | Path, client_column: str, prompt: str, target: str) -> None:
        r"""Open a table.

        Args:
            file: path of a .csv, .jsonl or .parquet file.
            client_column: the column that names the client.
            prompt: a template with columns in braces, such as "Question: {question}\nAnswer:".
            target: the column that holds the text to predict. It is set off from the prompt by one space unless the
                prompt ends in white space itself.

        Raises:
            BadInput: no such file or column, or a row that lacks its client, a prompt column or its target.
        """
        self._file = Path(file)
        self._table = _read(self._file)
        self._prompt, self._target = prompt, target
        prompt_columns = _fields(prompt)
        for option, column in [
            ("client-column", client_column),
            ("target", target),
            *(("prompt", field) for field in prompt_columns),
        ]:
            if column not in self._table.column_names:
                raise BadInput(f"{option}: {unknown_name('column', column, self._table.column_names)} in {self._file}")
        for column in {client_column, target, *prompt_columns}:
            self._check_filled(column)
        self.client_ids, self._rows = self._group(client_column)

    def examples(self, client_id: str) -> Sequence[Example]:
        """A client's rows, in the order of the file."""
        rows = self._table[self._rows[client_id].tolist()]
        gap = "" if self._prompt[-1:].isspace() else " "
        columns = self._table.column_names
        return [
            Example(self._prompt.format_map(dict(zip(columns, values, strict=True))), f"{gap}{target}")
            for *values, target in zip(*(rows[column] for column in columns), rows[self._target], strict=True)
        ]

    def _group(self, client_column: str) -> tuple[list[str], dict[str, Any]]:
        import pyarrow

        column = self._table.data.column(client_column).cast(pyarrow.string()).combine_chunks().dictionary_encode()
        client_ids = [str(value) for value in column.dictionary.to_pylist()]
        codes = column.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        return client_ids, dict(zip(client_ids, rows, strict=True))

    def _check_filled(self, column: str) -> None:
        import pyarrow.compute as compute

        values = self._table.data.column(column)
        empty = compute.is_null(values)
        if values.type in ("string", "large_string"):
            empty = compute.or_(empty, compute.equal(compute.fill_null(values, ""), ""))
        if compute.any(empty).as_py():
            row = compute.index(empty, True).as_py()
            raise BadInput(f"{self._file}: row {row + 1} has nothing in column {column!r}; fill it or drop the row")


def _read(file: Path) -> Any:
    if not file.is_file():
        raise BadInput(f"dataset file {file} does not exist")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise BadInput(f"dataset file {file}: expected one of {', '.join(_READERS)}")
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        return datasets.load_dataset(reader, data_files=str(file), split="train")
    except (datasets.exceptions.DatasetGenerationError, ValueError, OSError, StopIteration) as error:
        reason = (str(error.__cause__ or error).strip() or _EMPTY).splitlines()[0]
        if _EMPTY in reason:
            raise BadInput(f"dataset file {file} has no rows") from error
        raise BadInput(f"dataset file {file} cannot be read as {file.suffix[1:].lower()}: {reason}") from error


def _fields(prompt: str) -> list[str]:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(prompt) if field is not None]
    except ValueError as error:
        raise BadInput(f"prompt {prompt!r}: {error}; write literal braces as {{{{ and }}}}") from error
    if not fields:
        raise BadInput(f"prompt {prompt!r} names no column; put one in braces, such as {{question}}")
    return fields
