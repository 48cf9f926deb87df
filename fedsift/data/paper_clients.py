"""The clients of the SIFT-Masks paper's settings (arXiv 2504.04626, appendix B), from the hub or from files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from fedsift.core.errors import BadInput, counted, unknown_name
from fedsift.data.cells import is_list
from fedsift.data.columns import Columns
from fedsift.data.csv_file import read_csv
from fedsift.data.file_names import kind_of_file
from fedsift.data.file_source import opened
from fedsift.data.hub import load_from_hub
from fedsift.data.memory_table import text_table
from fedsift.data.paper_settings import BOTS, PAPER_SETTINGS, SUBREDDITS, PaperSetting
from fedsift.data.reddit_comments import read_comments
from fedsift.data.table import ClientRows, Split, TableDataset, check_texts, open_table

_ROWS_PER_AUTHOR = 20  # of TOFU
_SENT140_CSV = ["sentiment", "id", "date", "query", "user", "text"]  # by the hub's names; the original has no header


def load_paper_setting(name: str, file: str = "", clients: int = 0) -> TableDataset:
    """The clients of one of the paper's settings, the busiest first.

    TOFU's authors come in their own order. In the other settings, a client is a user with rows of at least two labels;
    among equally busy users, the id decides, as text. A client's rows are in the order of the source.

    Args:
        name: one of `PAPER_SETTINGS`.
        file: the data, as the setting's `bring` describes them; "" loads them from the hub.
        clients: how many to choose; 0 for the paper's number. Where there are fewer, all of them.

    Raises:
        BadInput: no such setting, the file or the hub cannot be read, or what they hold is not what the setting needs.
    """
    if name not in PAPER_SETTINGS:
        raise unknown_name("paper setting", name, PAPER_SETTINGS)
    setting = PAPER_SETTINGS[name]
    source, limit = file or setting.hub, clients or setting.clients
    table = _open(setting, file)
    if not setting.choices:
        return TableDataset(table, _authors(table, source, limit), setting.template)
    users, texts, labels = (table.column(column) for column in setting.columns)
    codes = _label_codes(labels, setting.label_values)
    for column in (users, texts):
        codes[compute.fill_null(compute.binary_length(column), 0).to_numpy() == 0] = -1
    split = _busiest_users(users, codes, len(setting.choices), limit)
    if not split:
        raise BadInput(f"{name}: no user in {source} has rows of two labels; expected {setting.bring}")
    chosen = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(setting.choices))
    labelled = pa.table({setting.columns[1]: texts, "label": chosen})
    return TableDataset(labelled, split, setting.template)


def _open(setting: PaperSetting, file: str) -> pa.Table:
    to_bring = f"give with --data-file PATH {setting.bring}"
    columns = dict.fromkeys(setting.columns, setting.name)
    if not file:
        if not setting.hub:
            raise BadInput(f"{setting.name}: the hub does not have its data; {to_bring}")
        try:
            return text_table(load_from_hub(setting.hub, setting.revision), columns, setting.hub, setting.lists)
        except BadInput as error:
            raise BadInput(f"{error}; {to_bring}") from error
    if not Path(file).is_file():
        raise BadInput(f"{setting.name}: file {file} does not exist; {to_bring}")
    try:
        return _read(setting, file, columns)
    except BadInput as error:
        raise BadInput(f"{error}; expected {setting.bring}") from error


def _read(setting: PaperSetting, file: str, columns: Columns) -> pa.Table:
    if setting.name == "reddit":
        table = read_comments(Path(file), columns, SUBREDDITS, BOTS)
        if not len(table):
            raise BadInput(f"reddit: no comment in {file} is kept")
        return table
    if not kind_of_file(file):
        raise BadInput(f"{setting.name}: file {file} has none of the known suffixes")
    if setting.name == "sent140" and kind_of_file(file) == "csv" and _starts_with_a_number(file):
        return read_csv(Path(file), columns, _SENT140_CSV, "" if _is_utf8(file) else "latin-1")
    return open_table(file, columns, setting.lists)


def _starts_with_a_number(file: str) -> bool:
    with opened(Path(file)) as lines:
        return lines.readline().split(b",")[0].strip(b'"').isdigit()


def _is_utf8(file: str) -> bool:
    """Whether somebody has written the file anew in UTF-8; as its site has it, it is in latin-1."""
    with opened(Path(file)) as lines:
        try:
            for line in lines:
                line.decode()
        except UnicodeDecodeError:
            return False
    return True


def _authors(table: pa.Table, source: str, limit: int) -> Split:
    check_texts(table, dict.fromkeys(table.column_names, "tofu"), source)
    authors, rest = divmod(len(table), _ROWS_PER_AUTHOR)
    if rest:
        raise BadInput(f"tofu: {source} has {counted(len(table), 'row')}; expected {_ROWS_PER_AUTHOR} for each author")
    rows = np.arange(len(table), dtype=np.intp).reshape(authors, _ROWS_PER_AUTHOR)
    return {f"author-{author:03d}": rows[author] for author in range(min(authors, limit))}


def _busiest_users(users: pa.ChunkedArray, codes: NDArray[np.intp], labels: int, limit: int) -> Split:
    """The rows with a label, of those users who have most of them and at least two labels."""
    encoded = compute.fill_null(users, "").combine_chunks().dictionary_encode()
    ids, of_user = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    kept = codes >= 0
    everybody = ClientRows(ids, np.where(kept, of_user, -1))
    counts = np.bincount(of_user[kept], minlength=len(ids))
    user_and_label = np.unique(of_user[kept].astype(np.int64) * labels + codes[kept])
    several = np.flatnonzero(np.bincount(user_and_label // labels, minlength=len(ids)) >= 2).tolist()
    busiest = sorted(several, key=lambda user: (-counts[user], ids[user]))[:limit]
    return {ids[user]: everybody[ids[user]] for user in busiest}


def _label_codes(labels: pa.ChunkedArray, values: tuple[str, ...]) -> NDArray[np.intp]:
    # The index in `values` of each row's label; -1 where it has none of them or, where labels are lists, several.
    codes = []
    for chunk in labels.chunks:
        texts, rows = chunk, np.arange(len(chunk))
        if is_list(chunk.type):
            texts, rows = chunk.flatten(), compute.list_parent_indices(chunk).to_numpy()
        found = compute.index_in(texts, pa.array(values)).fill_null(-1).to_numpy()
        rows, found = np.unique(np.stack([rows, found])[:, found >= 0], axis=1)  # A label that is there twice is one.
        of_chunk = np.full(len(chunk), -1)
        of_chunk[rows] = found
        of_chunk[np.bincount(rows, minlength=len(chunk)) > 1] = -1
        codes.append(of_chunk)
    return np.concatenate(codes)
