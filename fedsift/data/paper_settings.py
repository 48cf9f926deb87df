"""The four settings of the SIFT-Masks paper (arXiv 2504.04626, appendix B): data, clients, prompts and numbers."""

import io
import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.data.examples import Example
from fedsift.data.table import Split, TableDataset, Template, check_column, gap_after, is_file, load_quietly, open_table
from fedsift.errors import BadInput, unknown_name

_ROWS_PER_AUTHOR = 20  # of TOFU
_SENT140_CSV = ["sentiment", "id", "date", "query", "user", "text"]  # by the hub's names; the original has no header
_TAGS = ("javascript", "python", "java", "c#", "php", "android", "html", "jquery", "c++", "css")
_SUBREDDITS = (
    *("politics", "nfl", "nba", "soccer", "Bitcoin", "StarWars", "DestinyTheGame", "movies", "leagueoflegends"),
    *("fantasyfootball", "hockey", "teenagers", "RocketLeagueExchange", "MMA", "FireEmblemHeroes", "NintendoSwitch"),
    *("Overwatch", "relationships", "pathofexile", "anime"),
)
_BOTS = (
    *("auto", "mod", "bot", "ImagesOfNetWork", "MTGCardFetcher", "tippr", "DreamProcessor", "Mentioned_Videos"),
    *("keepdankmemesdank", "User_Simulator", "AreYouDeaf", "ThisCatMightCheerYou", "TotesMessenger"),
    *("transcribersofreddit", "xvicsagex", "notifier", "Roboragi", "robot"),
)

# Without the paper's <|begin_of_text|>: the tokenizer puts that in front itself.
_SENTIMENT_PROMPT = """<|start_header_id|>system<|end_header_id|>
You are an AI assistant designed for sentiment analysis.
<|eot_id|><|start_header_id|>user<|end_header_id|>
What is the sentiment of this comment? Respond with a single word.
Do not start with 'The'. Choices:
    - Negative
    - Positive
Comment: {text}
<|eot_id|><|start_header_id|>assistant<|end_header_id|>
"""


def _topic_prompt(column: str, choices: tuple[str, ...]) -> str:
    # The paper prints {option_list}, not what it stands for; one "- name" a line is the form that FLAN was tuned on.
    options = "\n".join(f"- {choice}" for choice in choices)
    return f"Context:{{{column}}}\nQuestion:Choose the most relevant topic.\nOPTIONS:\n{options}\nAnswer:"


@dataclass(frozen=True)
class PaperSetting:
    """One of the paper's settings. All numbers are appendix B's, but for `max_length`: the paper gives none."""

    name: str
    model: str  # on the hub
    lr: float
    prompt: str  # with columns in braces
    columns: tuple[str, ...]  # user, text and label; for TOFU, question and answer
    bring: str  # the file that does where the hub does not
    hub: str = ""  # owner/name:subset
    revision: str | None = None
    choices: tuple[str, ...] = ()  # the labels as the model should name them; () for free text
    label_values: tuple[str, ...] = ()  # the choices as the label column has them
    clients: int = 500
    steps: int = 20
    batch_size: int = 128  # a client with fewer rows takes them all
    max_length: int = 512  # tokens of an example


_SETTINGS = (
    PaperSetting(
        name="tofu",
        model="openai-community/gpt2-xl",
        lr=1e-4,
        # The paper prints "Question:  {q} \nAnswer:  {a}"; the wider gaps look like those around typeset formulas.
        prompt="Question: {question}\nAnswer:",
        columns=("question", "answer"),
        bring="TOFU's full.json: json or jsonl with question and answer, 20 rows an author, author after author",
        hub="locuslab/TOFU:full",
        clients=200,
        batch_size=20,
        max_length=192,
    ),
    PaperSetting(
        name="sent140",
        model="meta-llama/Llama-3.2-1B-Instruct",
        lr=1e-7,
        prompt=_SENTIMENT_PROMPT,
        columns=("user", "text", "sentiment"),
        bring="training.1600000.processed.noemoticon.csv, or csv, jsonl or parquet of user, text, sentiment (0 or 4)",
        hub="stanfordnlp/sentiment140",
        revision="refs/convert/parquet",  # its main branch holds a script, which `datasets` does not run
        choices=("Negative", "Positive"),
        label_values=("0", "4"),  # 2 is neutral, in the test split only
    ),
    PaperSetting(
        name="reddit",
        model="google/flan-t5-large",
        lr=1e-5,
        prompt=_topic_prompt("body", _SUBREDDITS),
        columns=("author", "body", "subreddit"),
        bring="the comments of December 2017 (RC_2017-12): JSON lines with author, body and subreddit, plain or as "
        ".gz, .bz2 or .xz (a .zst unpacked by zstd -d --long=31)",
        choices=_SUBREDDITS,
        label_values=_SUBREDDITS,
    ),
    PaperSetting(
        name="stackoverflow",
        model="google/flan-t5-large",
        lr=1e-5,
        prompt=_topic_prompt("Body", _TAGS),
        columns=("OwnerUserId", "Body", "Tags"),
        bring="posts of Stack Overflow: parquet or jsonl with OwnerUserId, Body and Tags (a list of texts)",
        hub="mikex86/stackoverflow-posts",
        choices=_TAGS,
        label_values=_TAGS,
    ),
)
PAPER_SETTINGS = {setting.name: setting for setting in _SETTINGS}


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
    import pyarrow

    if name not in PAPER_SETTINGS:
        raise unknown_name("paper setting", name, PAPER_SETTINGS)
    setting = PAPER_SETTINGS[name]
    source, limit = file or setting.hub, clients or setting.clients
    table = _open(setting, file)
    for column in setting.columns:
        if column not in table.column_names:
            raise BadInput(f"{name}: {unknown_name('column', column, table.column_names)} in {source}")
    table = table.select_columns(list(setting.columns))
    if not setting.choices:
        return TableDataset(table, _authors(table, source, limit), Template(setting.prompt, "answer"))
    try:
        split = _busiest_users(setting, table, limit)
    except pyarrow.ArrowException as error:
        raise BadInput(f"{name}: {source} has columns of another type ({error}); expected {setting.bring}") from error
    if not split:
        raise BadInput(f"{name}: no user in {source} has rows of two labels; expected {setting.bring}")
    return TableDataset(table, split, partial(_labelled_example, setting))


def _open(setting: PaperSetting, file: str) -> Any:
    import datasets

    to_bring = f"give with --data-file PATH {setting.bring}"
    if not file:
        if not setting.hub:
            raise BadInput(f"{setting.name}: the hub does not have its data; {to_bring}")
        try:
            return load_quietly(
                f"dataset {setting.hub}", "from the hub", *setting.hub.split(":"), revision=setting.revision
            )
        except BadInput as error:
            raise BadInput(f"{error}; {to_bring}") from error
    if not Path(file).is_file():
        raise BadInput(f"{setting.name}: file {file} does not exist; {to_bring}")
    if setting.name == "reddit":
        return _comments(setting, file)
    if not is_file(file):
        raise BadInput(f"{setting.name}: file {file} has none of the known suffixes; {to_bring}")
    if setting.name == "sent140" and Path(file).suffix.lower() == ".csv" and _starts_with_a_number(file):
        # As texts, so that types do not depend on the first rows; and "null" is a user name like others.
        features = datasets.Features(dict.fromkeys(_SENT140_CSV, datasets.Value("string")))
        options = {"column_names": _SENT140_CSV, "header": None, "encoding": "latin-1", "keep_default_na": False}
        return load_quietly(f"dataset file {file}", "as csv", "csv", data_files=file, features=features, **options)
    return open_table(file)


def _starts_with_a_number(file: str) -> bool:
    with Path(file).open("rb") as lines:
        return lines.readline().split(b",")[0].strip(b'"').isdigit()


def _comments(setting: PaperSetting, file: str) -> Any:
    import datasets

    datasets.disable_progress_bars()
    # A table once made of the same arguments is opened again, by other workers and in later runs.
    path = Path(file).resolve()
    arguments = {"file": path, "_modified": path.stat().st_mtime_ns, "subreddits": _SUBREDDITS, "bots": _BOTS}
    features = datasets.Features(dict.fromkeys(setting.columns, datasets.Value("string")))
    try:
        return datasets.Dataset.from_generator(_kept_comments, features=features, gen_kwargs=arguments)
    except (datasets.exceptions.DatasetGenerationError, ValueError) as error:
        reason = error.__cause__ or "no comment in it is kept"
        raise BadInput(f"reddit: {file}: {reason}; expected {setting.bring}") from error


def _kept_comments(file: Path, _modified: int, subreddits: tuple[str, ...], bots: tuple[str, ...]) -> Iterator[Any]:
    # Line by line, since no table reader gets through a whole dump: its columns come, go and change their types.
    import pyarrow

    keywords = [bot.lower() for bot in bots]
    with lzma.open(file) if file.suffix == ".xz" else io.BufferedReader(pyarrow.input_stream(file)) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                comment = json.loads(line)
                author, body, subreddit = (comment[column] or "" for column in ("author", "body", "subreddit"))
            except KeyError as error:
                raise BadInput(f"line {number}: {unknown_name('column', error.args[0], comment)}") from error
            except (ValueError, TypeError) as error:
                raise BadInput(f"line {number} is no JSON object") from error
            if subreddit not in subreddits or body in ("", "[deleted]", "[removed]"):
                continue
            if author in ("", "[deleted]") or any(keyword in author.lower() for keyword in keywords):
                continue
            # JSON lets half of a surrogate pair pass, which is no Unicode.
            yield {"author": author, "body": body.encode(errors="replace").decode(), "subreddit": subreddit}


def _authors(table: Any, source: str, limit: int) -> Split:
    for column in table.column_names:
        check_column(table, column, "tofu", source)
    authors, rest = divmod(len(table), _ROWS_PER_AUTHOR)
    if rest:
        raise BadInput(f"tofu: {source} has {len(table)} rows; expected {_ROWS_PER_AUTHOR} for each author")
    rows = np.arange(len(table), dtype=np.intp).reshape(authors, _ROWS_PER_AUTHOR)
    return {f"author-{author:03d}": rows[author] for author in range(min(authors, limit))}


def _busiest_users(setting: PaperSetting, table: Any, limit: int) -> Split:
    import pyarrow
    import pyarrow.compute as compute

    users, texts, labels = (table.data.column(column) for column in setting.columns)
    codes = _label_codes(labels, setting.label_values)
    kept = codes >= 0
    for column in (users, texts):
        length = compute.binary_length(column.cast(pyarrow.string()))
        kept &= length.fill_null(0).to_numpy() > 0
    users = users.filter(pyarrow.array(kept)).cast(pyarrow.string()).combine_chunks().dictionary_encode()
    ids, of_user = users.dictionary.to_pylist(), users.indices.to_numpy()
    counts = np.bincount(of_user, minlength=len(ids))
    user_and_label = np.unique(of_user.astype(np.int64) * len(setting.choices) + codes[kept])
    label_counts = np.bincount(user_and_label // len(setting.choices), minlength=len(ids))
    rows, ends = np.flatnonzero(kept)[np.argsort(of_user, kind="stable")], np.cumsum(counts)
    several = np.flatnonzero(label_counts >= 2).tolist()
    busiest = sorted(several, key=lambda user: (-counts[user], ids[user]))[:limit]
    return {ids[user]: rows[ends[user] - counts[user] : ends[user]] for user in busiest}


def _label_codes(labels: Any, values: tuple[str, ...]) -> NDArray[np.intp]:
    # The index in `values` of each row's label; -1 where it has none of them or, where labels are lists, several.
    import pyarrow
    import pyarrow.compute as compute

    codes = []
    for chunk in labels.chunks:
        texts, rows = chunk, np.arange(len(chunk))
        if pyarrow.types.is_list(chunk.type) or pyarrow.types.is_large_list(chunk.type):
            texts, rows = chunk.flatten(), compute.list_parent_indices(chunk).to_numpy()
        found = compute.index_in(texts.cast(pyarrow.string()), pyarrow.array(values)).fill_null(-1).to_numpy()
        rows, found = rows[found >= 0], found[found >= 0]
        of_chunk = np.full(len(chunk), -1)
        of_chunk[rows] = found
        of_chunk[np.bincount(rows, minlength=len(chunk)) > 1] = -1
        codes.append(of_chunk)
    return np.concatenate(codes)


def _labelled_example(setting: PaperSetting, row: Mapping[str, Any]) -> Example:
    found = row[setting.columns[2]]
    found = {str(value) for value in (found if isinstance(found, list) else [found])}
    label = next(choice for value, choice in zip(setting.label_values, setting.choices, strict=True) if value in found)
    return Example(setting.prompt.format_map(row), f"{gap_after(setting.prompt)}{label}")
