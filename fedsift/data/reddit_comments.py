"""A month of Reddit's comments, as the paper chooses among them (appendix B.3)."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from fedsift.core.errors import BadInput, invalid_character
from fedsift.data.columns import Columns, check_names
from fedsift.data.disk_table import batches, on_disk
from fedsift.data.file_source import opened
from fedsift.data.json_file import each_object


def read_comments(path: Path, columns: Columns, subreddits: Collection[str], bots: Collection[str]) -> pa.Table:
    """Author, body and subreddit of the comments that are kept.

    Left out are other subreddits, deleted comments, comments without an author, those of bots (whose names have one
    of the parts `bots`, in any case), and those of which a half is missing from a surrogate pair: they are no Unicode.

    Raises:
        BadInput: a line is no comment; the message names it.
    """
    schema = pa.schema([(column, pa.string()) for column in columns])
    with opened(path) as lines:
        rows = _kept(each_object(lines, path), path, columns, frozenset(subreddits), [bot.lower() for bot in bots])
        return on_disk(batches(rows, schema), schema)


def _kept(
    comments: Iterable[tuple[str, dict[str, Any]]],
    path: Path,
    columns: Columns,
    subreddits: frozenset[str],
    bots: list[str],
) -> Iterator[list[str]]:
    # Line by line, since no table reader gets through a whole dump: its columns come, go and change their types.
    for place, comment in comments:
        check_names(columns, list(comment), f"{path}, {place}")
        row = ["" if comment[column] is None else comment[column] for column in columns]
        if not all(isinstance(text, str) for text in row):
            raise BadInput(f"{path}: {place}: {', '.join(columns)} are not all texts")
        author, body, subreddit = row
        if subreddit not in subreddits or body in ("", "[deleted]", "[removed]"):
            continue
        if author in ("", "[deleted]") or any(bot in author.lower() for bot in bots):
            continue
        if not any(map(invalid_character, row)):
            yield row
