"""`fedsift check-data`: what a data set holds, as the model will see it, and whether training on it can be repeated."""

import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row, rows_digest
from fedsift.core.numbered_rows import each_row
from fedsift.data.federated_dataset import FederatedDataset, dataset_digest
from fedsift.data.loading import load_dataset
from fedsift.data.look_alikes import look_alike_warning, look_alikes
from fedsift.data.partition import heterogeneity
from fedsift.learning.models import load_model
from fedsift.learning.tasks.task import Task
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.federate import federate, merging, places, workers
from fedsift.runtime.progress import PhaseBars

_CLIENTS_READ = 100  # A look at this many says what there is to say.
_LABELS_SHOWN = 12
_SAMPLES = 2


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the most of some numbers."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[int]) -> "Spread":
        """Of at least one number."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Sample:
    """A row as the model sees it."""

    client: str
    prompt: str  # as rendered
    target: str
    learned: Sequence[str]  # the target's tokens, one by one


@dataclass(frozen=True)
class DataReport:
    """What `fedsift check-data` found in the first clients of a data set."""

    clients: int  # who join
    newcomers: int  # who never do
    clients_read: int  # of those who join
    look_alikes: list[list[str]]  # groups of ids that look alike (`fedsift.data.look_alikes`)
    digest: str  # of what was read
    rows: Spread  # that a client trains on
    test_rows: Spread  # that it is scored on
    held_out: bool  # whether these are others than those that it trains on
    not_scored: int  # clients without test rows
    group_column: str  # by which rows were kept out together; empty for none
    tokens: Spread  # of a row
    rows_cut: int  # by max-length
    tokens_cut: int  # likewise
    different_targets: int  # how many; zero for a task without texts
    targets: dict[str, float]  # the most frequent ones, with their shares
    single_target: int  # clients that have but one
    heterogeneity: float | None  # of the clients' targets (`fedsift.data.partition`); None for a task without texts
    samples: list[Sample]  # the first rows
    digests: list[str]  # of what the first client's training came to, each time
    profile: str  # of reproducibility

    @property
    def repeatable(self) -> bool:
        """Whether the training came to the same bits each time."""
        return len(set(self.digests)) == 1


def check_data(config: RunConfig, bars: PhaseBars) -> DataReport:
    """Read the first clients, encode all their rows, and train the first client twice, in another process.

    Held-out rows are encoded, too, and those of the first newcomers.

    Raises:
        BadInput: a client's rows cannot be made or encoded, or the first one's are others each time, or who is to leave
            is none; the message names the client.
    """
    dataset = load_dataset(config)
    participants = Participants.of(config, dataset)
    clients = participants.members
    alike = look_alikes(participants.everybody)
    bars.warn(look_alike_warning(alike))
    choose_leavers(config, clients, participants.newcomers)
    _, task = load_model(config.model_settings.on_cpu())
    read = clients[:_CLIENTS_READ]
    rows, test_rows, tokens, cut = list[int](), list[int](), array("q"), array("q")
    samples: list[Sample] = []
    by_client: list[list[str]] = []
    for client_id in read:
        examples, labels = dataset.train_examples(client_id), list[str]()
        for row in each_row(task.describe, examples, client_id):
            tokens.append(row.tokens)
            cut.append(row.cut)
            if row.target:
                labels.append(sys.intern(row.target.strip()))
            if len(samples) < _SAMPLES:
                samples.append(Sample(client_id, row.prompt, row.target, row.learned))
        rows.append(len(examples))
        tests = dataset.test_examples(client_id)
        test_rows.append(len(tests))
        if dataset.held_out:
            _see(task, tests, client_id)
        by_client.append(labels)
    for client_id in participants.newcomers[:_CLIENTS_READ]:
        for part in (dataset.train_examples(client_id), dataset.test_examples(client_id)):
            _see(task, part, client_id)
    targets = Counter(target for labels in by_client for target in labels)
    return DataReport(
        clients=len(clients),
        newcomers=len(participants.newcomers),
        clients_read=len(read),
        look_alikes=alike,
        digest=dataset_digest(dataset, read).hex(),
        rows=Spread.of(rows),
        test_rows=Spread.of(test_rows),
        held_out=dataset.held_out,
        not_scored=test_rows.count(0),
        group_column=config.group_column,
        tokens=Spread.of(tokens),
        rows_cut=sum(each > 0 for each in cut),
        tokens_cut=sum(cut),
        different_targets=len(targets),
        targets={target: count / targets.total() for target, count in targets.most_common(_LABELS_SHOWN)},
        single_target=sum(len(set(labels)) == 1 for labels in by_client),
        heterogeneity=heterogeneity(by_client) if targets else None,
        samples=samples,
        digests=_train_twice(config, dataset, clients[0], bars),
        profile=config.profile,
    )


def _see(task: Task, rows: Sequence[Row], client_id: str) -> None:
    """See that the task takes all rows; what is wrong with one is raised, as in a run."""
    for _ in each_row(task.encode, rows, client_id):
        pass


def _train_twice(config: RunConfig, dataset: FederatedDataset, client_id: str, bars: PhaseBars) -> list[str]:
    """Digests of what a worker, which reads the client's rows for itself, makes of them."""
    here = rows_digest(dataset.train_examples(client_id)).hex()
    digests = []
    with workers(1, config, bars) as pool:
        for _ in range(2):
            outcome = federate(pool, merging(config), places(dataset.client_ids, [client_id]), bars)
            for why in outcome.rounds[0].failures.values():
                raise BadInput(f"client {client_id!r} could not be trained: {last_line(why)}")
            if outcome.data_digests[client_id] != here:
                raise BadInput(
                    f"client {client_id!r}: its rows are others, or in another order, in another process, so that it "
                    "could never be removed; make the same rows in the same order each time (no set, clock or hash)"
                )
            digests.append(outcome.member_digests[client_id])
    return digests
