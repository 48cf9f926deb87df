"""Which data set, and what of it: the options, as the kinds of data sets read them."""

from dataclasses import dataclass
from functools import partial

from fedsift.core.options import Effect, Group, Seeded, option
from fedsift.data.partition import PARTITIONS
from fedsift.data.template import unescaped

_option = partial(option, group=Group.DATA)


@dataclass(frozen=True, kw_only=True)
class Source(Seeded):
    """Whose rows, and what is learnt from them."""

    dataset: str = _option("people", "Which data set.")
    data_file: str = _option("", "Local file of a setting of the paper; without it, the hub is asked.")
    client_column: str = _option("", "Column of a table that names the client.")
    prompt: str = _option("", 'Template, such as "Question: {question}\\nAnswer:".', parse=unescaped)
    target: str = _option("", "Column with the text to learn.")
    partition: str = _option("", "Splits a table without natural clients among so many clients.", choices=PARTITIONS)
    alpha: float = _option(0.5, "Of the Dirichlet partition. The smaller, the more the clients' targets differ.", gt=0)
    test_share: float = _option(
        0.0, "Share of a client's rows kept for scoring. With 0, it is scored on what it tuned on.", ge=0, lt=1
    )
    clients: int = _option(
        0,
        "How many clients, the first of the data; 0 for all (people: 500). Of a partition they change the bits.",
        effect=Effect.FREE,
        ge=0,
    )
