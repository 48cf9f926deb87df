"""The four settings of the SIFT-Masks paper (arXiv 2504.04626, appendix B): sources, prompts and numbers."""

from dataclasses import dataclass

from fedsift.data.template import Template

_TAGS = ("javascript", "python", "java", "c#", "php", "android", "html", "jquery", "c++", "css")
SUBREDDITS = (
    *("politics", "nfl", "nba", "soccer", "Bitcoin", "StarWars", "DestinyTheGame", "movies", "leagueoflegends"),
    *("fantasyfootball", "hockey", "teenagers", "RocketLeagueExchange", "MMA", "FireEmblemHeroes", "NintendoSwitch"),
    *("Overwatch", "relationships", "pathofexile", "anime"),
)
BOTS = (
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
    lists: tuple[str, ...] = ()  # those columns that hold lists of texts
    hub: str = ""  # owner/name:subset
    revision: str | None = None
    choices: tuple[str, ...] = ()  # the labels as the model should name them; () for free text
    label_values: tuple[str, ...] = ()  # the choices as the label column has them
    memorised: bool = False  # whether the paper scores the rows that were tuned on (section 4.2: TOFU alone)
    clients: int = 500
    steps: int = 20
    batch_size: int = 128  # a client with fewer rows takes them all
    max_length: int = 512  # tokens of an example

    @property
    def template(self) -> Template:
        """What makes examples of the rows of `load_paper_setting`."""
        return Template(self.prompt, "label" if self.choices else "answer")


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
        memorised=True,
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
        prompt=_topic_prompt("body", SUBREDDITS),
        columns=("author", "body", "subreddit"),
        bring="the comments of December 2017 (RC_2017-12): JSON lines with author, body and subreddit, plain or as "
        ".gz, .bz2 or .xz (a .zst unpacked by zstd -d --long=31)",
        choices=SUBREDDITS,
        label_values=SUBREDDITS,
    ),
    PaperSetting(
        name="stackoverflow",
        model="google/flan-t5-large",
        lr=1e-5,
        prompt=_topic_prompt("Body", _TAGS),
        columns=("OwnerUserId", "Body", "Tags"),
        lists=("Tags",),
        bring="posts of Stack Overflow: parquet or jsonl with OwnerUserId, Body and Tags (a list of texts)",
        hub="mikex86/stackoverflow-posts",
        choices=_TAGS,
        label_values=_TAGS,
    ),
)
PAPER_SETTINGS = {setting.name: setting for setting in _SETTINGS}
