"""Which data set, and what of it: the options, as the kinds of data sets read them."""

from dataclasses import dataclass
from functools import partial

from fedsift.core.errors import BadInput
from fedsift.core.options import MOST, Effect, Group, Seeded, option
from fedsift.core.shares import part_of
from fedsift.data.partition import PARTITIONS
from fedsift.data.template import unescaped

_option = partial(option, group=Group.DATA)


@dataclass(frozen=True, kw_only=True)
class Source(Seeded):
    """Whose rows, and what is learnt from them."""

    dataset: str = _option("people", "Which data set.")
    client_column: str = _option("", "Column of a table that names the client.")
    prompt: str = _option(
        "", 'Template with columns in braces, such as "Question: {question}\\nAnswer:".', parse=unescaped
    )
    target: str = _option("", "Column with the text to learn.")
    paraphrase: str = _option(
        "",
        "Column with the text to learn in other words, for the attacks of optout.",
        effect=Effect.FREE,
    )
    messages: str = _option(
        "",
        "Instead of prompt and target, column of conversations, lists of role and content, for chat "
        "(docs/how-to/own-data.md).",
    )
    clients: int = _option(
        0,
        "How many clients join, the first of the data; 0 for all (people: 500). With a partition, among how many the "
        "rows are split; that changes the bits.",
        effect=Effect.FREE,
        ge=0,
    )
    newcomers: float = _option(
        0.1,
        "Clients that never join, and are only scored: below 1 a share of the clients, from 1 on a number. Drawn from "
        "those beyond `clients` where that is given, else from all.",
        effect=Effect.FREE,
        ge=0,
        le=MOST,
    )
    test_share: float = _option(
        0.25,
        "Share of a client's rows that is held out for scoring, rounded down, but at least one row. A client with a "
        "single row trains on it, and is not scored. With 0 (tofu), clients are scored on the rows that they train on.",
        ge=0,
        lt=1,
    )
    group_column: str = _option(
        "",
        "Column of a table: rows with the same text there stay together, whoever's they are, all to train on or all "
        "held out.",
    )
    partition: str = _option(
        "", "How the rows of a table without natural clients are split among `clients` clients.", choices=PARTITIONS
    )
    alpha: float = _option(0.5, "Of the Dirichlet partition. The smaller, the more the clients' targets differ.", gt=0)
    data_file: str = _option("", "Local file of a setting of the paper; without it, the hub is asked.")
    forgotten_rows: str = _option(
        "",
        "A run's forgotten-rows.json: rows that clients asked to have forgotten. They are left out.",
        effect=Effect.FREE,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.newcomers > 1 and not self.newcomers.is_integer():
            raise BadInput(f"newcomers = {self.newcomers}: give a share below 1, or a whole number of clients")
        if self.messages and (self.prompt or self.target):
            raise BadInput("messages excludes prompt and target: a conversation says both itself")

    @property
    def says_what_to_learn(self) -> bool:
        """Whether the options say what of a table's row is learnt."""
        return bool(self.messages or (self.prompt and self.target))

    @property
    def is_held_out(self) -> bool:
        """Whether clients are scored on rows that they did not tune on."""
        return self.test_share > 0

    def newcomers_of(self, clients: int) -> int:
        """How many newcomers belong to so many clients: a share of them, rounded down, or a number."""
        return part_of(clients, self.newcomers) if self.newcomers < 1 else int(self.newcomers)
