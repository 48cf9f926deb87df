"""Which data set, and what of it."""

from dataclasses import dataclass

from fedsift.core.options import Effect, Group, Seeded, option
from fedsift.data.kinds import ALL_FORMS, check_source
from fedsift.data.partition import PARTITIONS
from fedsift.data.template import unescaped


@dataclass(frozen=True, kw_only=True)
class DataSettings(Seeded):
    """Whose rows, and what is learnt from them."""

    dataset: str = option("people", f"Which data set: {ALL_FORMS}", Group.DATA)
    data_file: str = option("", "Local file of a setting of the paper; without it, the hub is asked.", Group.DATA)
    client_column: str = option("", "Column of a table that names the client.", Group.DATA)
    prompt: str = option("", 'Template, such as "Question: {question}\\nAnswer:".', Group.DATA, parse=unescaped)
    target: str = option("", "Column with the text to learn.", Group.DATA)
    partition: str = option(
        "", "Splits a table without natural clients among so many clients.", Group.DATA, choices=PARTITIONS
    )
    alpha: float = option(
        0.5, "Of the Dirichlet partition. The smaller, the more the clients' targets differ.", Group.DATA, gt=0
    )
    test_share: float = option(
        0.0,
        "Share of a client's rows kept for scoring. With 0, it is scored on what it tuned on.",
        Group.DATA,
        ge=0,
        lt=1,
    )
    clients: int = option(
        0,
        "How many clients, the first of the data; 0 for all (people: 500). Of a partition they change the bits.",
        Group.DATA,
        Effect.FREE,
        ge=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_source(self)
