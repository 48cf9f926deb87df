import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import datasets
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.data.paper_clients import load_paper_setting
from fedsift.data.paper_settings import PAPER_SETTINGS
from fedsift.data.table import TableDataset


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def written(rows: list[dict[str, Any]], file: Path) -> str:
    """A csv, jsonl or parquet file of them, by its name."""
    if file.suffix == ".csv":
        pandas.DataFrame(rows).to_csv(file, index=False)
    elif file.suffix == ".jsonl":
        file.write_text(lines(rows))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=5)
    return str(file)


def prompts(dataset: TableDataset, client_id: str) -> list[str]:
    return [example.prompt for example in dataset.train_examples(client_id)]


def test_the_numbers_are_those_of_appendix_b() -> None:
    expected = {
        "tofu": ("openai-community/gpt2-xl", 1e-4, 20, 20, 200, 0, 192),
        "sent140": ("meta-llama/Llama-3.2-1B-Instruct", 1e-7, 20, 128, 500, 2, 512),
        "reddit": ("google/flan-t5-large", 1e-5, 20, 128, 500, 20, 512),
        "stackoverflow": ("google/flan-t5-large", 1e-5, 20, 128, 500, 10, 512),
    }
    assert list(PAPER_SETTINGS) == list(expected)
    for name, each in PAPER_SETTINGS.items():
        numbers = (each.lr, each.steps, each.batch_size, each.clients, len(each.choices), each.max_length)
        assert (each.model, *numbers) == expected[name]


def tofu_file(folder: Path, rows: int) -> str:
    file = folder / "full.jsonl"
    file.write_text(lines({"author": "?", "question": f"q{i}?", "answer": f"a{i}."} for i in range(rows)))
    return str(file)


def test_tofu_has_an_author_every_20_rows(tmp_path: Path) -> None:
    tofu = load_paper_setting("tofu", tofu_file(tmp_path, 60))
    assert tofu.client_ids == ["author-000", "author-001", "author-002"]
    assert tofu.train_examples("author-001") == [Example(f"Question: q{i}?\nAnswer:", f" a{i}.") for i in range(20, 40)]
    assert load_paper_setting("tofu", tofu_file(tmp_path, 60), clients=2).client_ids == ["author-000", "author-001"]


def test_tofu_with_half_an_author_or_an_empty_answer(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"full\.jsonl has 30 rows; expected 20 for each author"):
        load_paper_setting("tofu", tofu_file(tmp_path, 30))
    file = tmp_path / "full.jsonl"
    file.write_text(lines([{"question": "q", "answer": "a"}] * 19 + [{"question": "q", "answer": ""}]))
    with pytest.raises(BadInput, match="row 20 has nothing in column 'answer'"):
        load_paper_setting("tofu", str(file))


# Sentiment, user and text.
TWEETS = [
    ("0", "zoé", "bad café"),
    ("0", "grump", "no"),
    ("4", "zoé", "good"),
    ("4", "null", "yes"),
    ("2", "null", "neutral: dropped"),
    ("0", "grump", "no, no"),  # three of one label: no client
    ("0", "grump", "NA"),
    ("0", "null", "null"),
    ("4", "123", "{braces} stay"),
    ("4", "123", "so"),
    ("0", "123", 'he said ""no"", sadly'),
    ("4", "", "nobody's: dropped"),
]


def sent140_file(folder: Path) -> str:
    file = folder / "training.csv"
    text = "".join(f'"{label}","17","Mon Apr 06","NO_QUERY","{user}","{text}"\n' for label, user, text in TWEETS)
    file.write_text(text, encoding="latin-1")
    return str(file)


def test_sent140_as_its_site_has_it(tmp_path: Path) -> None:
    sent140 = load_paper_setting("sent140", sent140_file(tmp_path))
    assert sent140.client_ids == ["123", "null", "zoé"]  # 3, 2 and 2 tweets
    assert sent140.train_examples("zoé")[0] == Example(
        "<|start_header_id|>system<|end_header_id|>\n"
        "You are an AI assistant designed for sentiment analysis.\n"
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
        "What is the sentiment of this comment? Respond with a single word.\n"
        "Do not start with 'The'. Choices:\n"
        "    - Negative\n"
        "    - Positive\n"
        "Comment: bad café\n"
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n",
        "Negative",
    )
    assert [target for _, target in sent140.train_examples("123")] == ["Positive", "Positive", "Negative"]
    assert "Comment: {braces} stay\n" in prompts(sent140, "123")[0]
    assert 'Comment: he said "no", sadly\n' in prompts(sent140, "123")[2]
    assert [target for _, target in sent140.train_examples("null")] == ["Positive", "Negative"]
    # ... packed, and in another encoding.
    file = tmp_path / "training.csv"
    (tmp_path / "utf8.csv").write_text(file.read_text(encoding="latin-1"), encoding="utf-8")
    (tmp_path / "packed.CSV.GZ").write_bytes(gzip.compress(file.read_bytes()))
    for name in ("utf8.csv", "packed.CSV.GZ"):
        again = load_paper_setting("sent140", str(tmp_path / name))
        assert again.train_examples("zoé") == sent140.train_examples("zoé")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_sent140_as_the_hub_has_it(tmp_path: Path, kind: str) -> None:
    rows = [{"text": text, "date": "", "user": f"@{user}", "sentiment": int(label)} for label, user, text in TWEETS]
    sent140 = load_paper_setting("sent140", written(rows, tmp_path / f"tweets.{kind}"), clients=2)
    assert sent140.client_ids[0] == "@123"
    assert sent140.train_examples("@123")[1].target == "Positive"


def comment(author: str | None, subreddit: str, body: str | None, **more: Any) -> dict[str, Any]:
    return {"author": author, "edited": False, "subreddit": subreddit, "body": body, **more}


AL = comment("al", "nfl", "x")
COMMENTS = [
    comment("bea", "nfl", "touchdown"),
    comment("carl", "anime", "one", edited=1512086400.0, distinguished={"by": "mod"}),
    comment("al", "nba", "dunk"),
    comment("carl", "nba", "two"),
    comment("bea", "AskReddit", "not one of the 20"),
    comment("carl", "nba", "three"),
    *(comment("bea", "nba", body) for body in ("[deleted]", "[removed]", "", None)),
    comment("bea", "NBA", "subreddits are told apart by case"),
    comment("al", "nfl", "kick"),
    comment("bea", "nba", "slam\n\U0001f3c0", score="many"),
    comment("bea", "nba", "half a pair: \ud83d"),
    *(comment(author, topic, "x") for author in ("Haiku-BOT", "tippR2", "[deleted]") for topic in ("nba", "nfl")),
    comment(None, "nfl", "x"),
    *(comment("fan", "soccer", "goal") for _ in range(4)),  # one label: no client
]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("RC", bytes), ("RC.jsonl", bytes), ("RC.gz", gzip.compress), ("RC.bz2", bz2.compress), ("RC.xz", lzma.compress)],
)
def test_reddit(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(lines(COMMENTS).encode()))
    reddit = load_paper_setting("reddit", str(tmp_path / name))
    assert reddit.client_ids == ["carl", "al", "bea"]  # of 3, 2 and 2 comments
    assert [target for _, target in reddit.train_examples("carl")] == [" anime", " nba", " nba"]
    options = (
        "- politics\n- nfl\n- nba\n- soccer\n- Bitcoin\n- StarWars\n- DestinyTheGame\n- movies\n- leagueoflegends\n"
        "- fantasyfootball\n- hockey\n- teenagers\n- RocketLeagueExchange\n- MMA\n- FireEmblemHeroes\n"
        "- NintendoSwitch\n- Overwatch\n- relationships\n- pathofexile\n- anime\n"
    )
    question = f"\nQuestion:Choose the most relevant topic.\nOPTIONS:\n{options}Answer:"
    first, second = reddit.train_examples("bea")
    assert first == Example(f"Context:touchdown{question}", " nfl")
    assert second == Example(f"Context:slam\n\U0001f3c0{question}", " nba")


def test_a_changed_dump_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "RC"
    file.write_text(lines(COMMENTS))
    assert load_paper_setting("reddit", str(file), clients=1).client_ids == ["carl"]
    file.write_text(lines(each for each in COMMENTS if each["author"] != "carl"))
    os.utime(file, ns=(0, 0))  # whatever the clock's steps
    assert load_paper_setting("reddit", str(file), clients=1).client_ids == ["al"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines([AL, {"author": "al", "subreddit": "nfl", "bdy": "x"}]), "'body'; did you mean 'bdy'. in .*line 2"),
        (lines([AL]) + "{broken\n", "line 2 is no JSON object"),
        ("[1]\n", "row 1 is no JSON object"),
        (lines([comment("al", "AskReddit", "x")]), "no comment in .* is kept"),
        ("", "no comment in .* is kept"),
        (lines([AL]), "no user in .* has rows of two labels"),
    ],
)
def test_bad_dumps(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "RC").write_text(content)
    with pytest.raises(BadInput, match=f"{message}.*expected the comments of December 2017"):
        load_paper_setting("reddit", str(tmp_path / "RC"))


POSTS: list[dict[str, Any]] = [
    {"OwnerUserId": 9, "Tags": ["python", "pandas"], "Title": "t", "Body": "a frame"},
    {"OwnerUserId": 9, "Tags": ["python", "css"], "Title": "t", "Body": "two of the tags: dropped"},
    {"OwnerUserId": 10, "Tags": ["c#"], "Title": "t", "Body": "linq"},
    {"OwnerUserId": 9, "Tags": None, "Title": None, "Body": "an answer: dropped"},
    {"OwnerUserId": None, "Tags": ["java"], "Title": "t", "Body": "nobody's: dropped"},
    {"OwnerUserId": 10, "Tags": ["c++", "boost"], "Title": "t", "Body": "template"},
    {"OwnerUserId": 9, "Tags": ["css"], "Title": "t", "Body": ""},
    {"OwnerUserId": 9, "Tags": ["css"], "Title": "t", "Body": None},
    {"OwnerUserId": 9, "Tags": ["rust", "css", "css"], "Title": "t", "Body": "a box"},
    {"OwnerUserId": 9, "Tags": ["haskell"], "Title": "t", "Body": "none of the tags: dropped"},
    {"OwnerUserId": 9, "Tags": [], "Title": "t", "Body": "no tags: dropped"},
    {"OwnerUserId": 5, "Tags": ["html"], "Title": "t", "Body": "one label: no client"},
]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_stackoverflow(tmp_path: Path, kind: str) -> None:
    posts = load_paper_setting("stackoverflow", written(POSTS, tmp_path / f"posts.{kind}"))
    assert posts.client_ids == ["10", "9"]  # a tie, broken by the id as text
    options = "- javascript\n- python\n- java\n- c#\n- php\n- android\n- html\n- jquery\n- c++\n- css\n"
    question = f"\nQuestion:Choose the most relevant topic.\nOPTIONS:\n{options}Answer:"
    frame, box = posts.train_examples("9")
    assert (frame, box) == ((f"Context:a frame{question}", " python"), (f"Context:a box{question}", " css"))
    assert [target for _, target in posts.train_examples("10")] == [" c#", " c++"]
    backwards = written(POSTS[::-1], tmp_path / f"backwards.{kind}")
    assert load_paper_setting("stackoverflow", backwards, clients=1).client_ids == ["10"]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("Tag", [["css"]], "unknown column 'Tags'; did you mean 'Tag'"),
        ("Tags", ["<c#><css>"], "no user .* expected .*a list of texts"),
        ("Tags", [{"name": "css"}], "column 'Tags' is of type struct.* expected .*a list of texts"),
    ],
)
def test_other_columns(tmp_path: Path, column: str, values: list[Any], message: str) -> None:
    file = tmp_path / "posts.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"OwnerUserId": [1], "Body": ["x"], column: values}), file)
    with pytest.raises(BadInput, match=message):
        load_paper_setting("stackoverflow", str(file))


@pytest.mark.parametrize("name", PAPER_SETTINGS)
def test_no_such_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"none\.jsonl does not exist; give with --data-file PATH"):
        load_paper_setting(name, str(tmp_path / "none.jsonl"))


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown paper setting 'redit'; did you mean 'reddit'"):
        load_paper_setting("redit")
    (tmp_path / "posts.xml").write_text("<posts/>")
    with pytest.raises(BadInput, match=r"posts\.xml has none of the known suffixes; expected .* parquet or jsonl with"):
        load_paper_setting("stackoverflow", str(tmp_path / "posts.xml"))
    with pytest.raises(BadInput, match=r"hub does not have its data; give with --data-file PATH .* \(RC_2017-12\)"):
        load_paper_setting("reddit")


BOTH_SENTIMENTS = [{"user": "al", "text": "x", "sentiment": sentiment} for sentiment in (0, 4)]


@pytest.mark.parametrize(
    ("name", "rows", "asked"),
    [
        ("tofu", [{"question": "q", "answer": "a"}] * 20, ("locuslab/TOFU", "full", None)),
        ("sent140", BOTH_SENTIMENTS, ("stanfordnlp/sentiment140", None, "refs/convert/parquet")),
        ("stackoverflow", POSTS, ("mikex86/stackoverflow-posts", None, None)),
    ],
)
def test_what_is_asked_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, name: str, rows: list[dict[str, Any]], asked: tuple[str | None, ...]
) -> None:
    def load_dataset(path: str, subset: str | None = None, *, split: str, revision: str | None) -> datasets.Dataset:
        assert ((path, subset, revision), split) == (asked, "train")
        return datasets.Dataset.from_list(rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_paper_setting(name).client_ids[0] in ("author-000", "al", "10")


def test_without_the_hub_one_line_says_what_to_bring(tmp_path: Path) -> None:
    code = """
from fedsift.data.paper_clients import load_paper_setting
from fedsift.core.errors import BadInput
for name in ("tofu", "sent140", "stackoverflow"):
    try:
        load_paper_setting(name)
    except BadInput as error:
        print(error)
"""
    # A folder of its own, since what is there from earlier is loaded without the hub.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    tofu, sent140, stackoverflow = ran.stdout.splitlines()
    assert "locuslab/TOFU:full cannot be read from the hub" in tofu
    assert "give with --data-file PATH TOFU's full.json: json or jsonl with question and answer" in tofu
    assert "give with --data-file PATH training.1600000.processed.noemoticon.csv" in sent140
    assert "give with --data-file PATH posts of Stack Overflow: parquet or jsonl" in stackoverflow
