"""The frame of the methods that SIFT-Masks is compared with: a state, what changes it, and how clients are served.

A method knows no Flower and no Ray. What it needs of clients it asks `Clients` for; who answers is a federation
(`method_rounds`), or the trainings that experiments keep (`fedsift.studies.lab_clients`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from fedsift.core.ensemble import Ensemble
from fedsift.core.errors import BadInput
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.regression import Regression
from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Mask, Vector
from fedsift.core.virtual_clock import Spent
from fedsift.protocol.method import Method

VALIDATION_CLIENTS = 5  # that choose the hyper-parameters

Terms = Mapping[str, float]  # hyper-parameters by name


class Trained(NamedTuple):
    """A plain fine-tuning."""

    task_vector: Vector  # shape (n,)
    steps: int  # of the optimiser


class PoolTraining(NamedTuple):
    """A training on the data of several clients, stage by stage: on the first slice, then the first two, and so on."""

    slices: Sequence[Sequence[str]]  # client ids
    first: int = 0  # the stage to begin with; those before it have been trained
    start: Vector | None = None  # the task vector to start from, shape (n,); M0 for None
    lr_factor: float = 1.0  # of the clients' learning rate
    in_layers: bool = False  # whether each stage tunes parameters of its own, and leaves the others as they are


class Stages(NamedTuple):
    """What came of it."""

    checkpoints: list[Vector]  # the task vector after each stage, shape (n,)
    steps: int  # of the optimiser, over these stages


@dataclass(frozen=True)
class Recipient:
    """A client that is being served, on its own side."""

    own: Vector | None  # a member's own task vector, shape (n,); None for who is no member, or where nobody has one
    shared: Mapping[str, Vector]  # what the server sends to everybody
    sizes: Sequence[int]  # entries of each tuned parameter, in their order
    # the mean score of one of `shared`, by its name, on the rows that the client tunes on
    score: Callable[[str], float]


class Clients(Protocol):
    """Whom a method asks. Who fails to answer is left out of what comes back.

    Attributes:
        schedule: who is asked in a round, and how long that takes.
        spent: since the change of the membership began, on the virtual clock.
    """

    schedule: Schedule
    spent: Spent

    @property
    def failures(self) -> Mapping[str, str]:
        """Client -> why it has failed to answer."""

    def answering(self, ids: Set[str]) -> Set[str]:
        """Those of some clients that can be asked now."""

    def fine_tuned(self, ids: Set[str]) -> Iterator[tuple[str, Trained]]:
        """A plain fine-tuning of each client, as they get done: one at a time is in memory."""

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        """What comes of a round's trainings, by client, as they get done; the time they take is the schedule's to say.

        Args:
            number: of the round, from which, with the client's id, the order of the rows derives.
            model: that the server sends, relative to M0; shape (n,).
            trainings: of each client that is asked.
        """

    def pooled(self, trainings: Sequence[PoolTraining]) -> Iterator[tuple[int, Stages]]:
        """Trainings by their place, as they get done."""

    def regressions(self, ids: Set[str]) -> Iterator[tuple[str, Regression]]:
        """A plain fine-tuning of each client with the Grams of its linear layers, one at a time, as they get done."""

    def embedded(self, ids: Set[str]) -> Iterator[tuple[str, Vector]]:
        """The mean hidden state of each client's rows under M0, shape (d,)."""

    def masks(
        self, method: "ComparedMethod", ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> Iterator[tuple[str, list[Mask]]]:
        """What `method.mask` makes of each member's own task vector, with each candidate."""

    def scores(
        self, method: "ComparedMethod", ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> dict[str, list[float]]:
        """Client -> the score of what it is served with each candidate; none of who has no rows for it."""


@dataclass
class Work:
    """What a change of the membership took, beside the first training of those who join."""

    trainings: int = 0  # of clients, for those who leave
    steps: int = 0  # of the optimiser, over these
    validation_scorings: int = 0  # models scored to choose hyper-parameters

    def add(self, other: "Work") -> None:
        """Take in what a part of the change took."""
        self.trainings += other.trainings
        self.steps += other.steps
        self.validation_scorings += other.validation_scorings


class ComparedMethod(Method, ABC):
    """A method's state; a subclass says how it trains, what it keeps, and how a client is served.

    Attributes:
        layout: of the tuned parameters.
        members: whose data the state has seen, and was not asked to forget.
        found: one of the `searched`, by the last removal; empty before one.
        chosen: one of the `candidates`; empty before `choose`, and where there is nothing to choose.
        ensemble: how several models that `serve` returns are taken together.
    """

    ensemble: ClassVar[Ensemble] = Ensemble.DRAWN

    candidates: ClassVar[Sequence[Terms]] = ({},)  # hyper-parameters of `serve` to choose from
    searched: ClassVar[Sequence[Terms]] = ()  # those that each removal chooses from

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        """Begin without members, with one of the `candidates` where it is chosen already."""
        self.layout = layout
        self.members: set[str] = set()
        self.chosen: Terms = chosen or {}
        self.found: Terms = {}

    @classmethod
    def chooses(cls) -> bool:
        """Whether scores of validation clients decide on anything."""
        return len(cls.candidates) > 1 or bool(cls.searched)

    @property
    def hyper_parameters(self) -> Terms:
        """Those that a search found: of the last removal, where that searches, else those of `serve`."""
        return self.found or self.chosen

    @abstractmethod
    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Take in those who join, and remove those who leave.

        Args:
            clients: are asked for all that this needs.
            joining: no members yet.
            leaving: members.
        """

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the state, as hexadecimal digits: the same for any order of arrival."""

    @abstractmethod
    def shared(self) -> dict[str, Vector]:
        """What the server sends to everybody to be served from."""

    def own_terms(self, client_id: str) -> dict[str, float]:
        """What `serve` is given for one client beside the hyper-parameters."""
        return {}

    @staticmethod
    @abstractmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The task vectors that a client is served; run by the client, which alone has its own.

        Args:
            recipient: the client.
            **terms: hyper-parameters, one of the `candidates`, and the client's `own_terms`.

        Returns:
            One, of shape (n,); or several, which the method's `ensemble` takes together.
        """

    @classmethod
    def mask(cls, own: Vector, shared: Mapping[str, Vector], **terms: float) -> Mask:
        """A mask that a member makes of its own task vector, for `Clients.masks`; of shape (n,), as all of these."""
        raise NotImplementedError(f"members make no masks for {cls.name}")

    def choose(self, clients: Clients) -> int:
        """Choose the candidate with the highest mean score on the validation clients, unless one was chosen before.

        What is chosen stays, whoever leaves: a removal is exact for these hyper-parameters, so the run that the leaver
        never joined is made with the same. It might have chosen others.

        Returns:
            How many models were scored.

        Raises:
            BadInput: none of these clients gave its scores.
        """
        if len(self.candidates) == 1 or self.chosen:
            return 0
        validation = self.validation_clients(clients)
        scores = clients.scores(self, set(validation), self.candidates, self.shared())
        means = self.mean_scores(clients, scores, validation)
        self.chosen = self.candidates[means.index(max(means))]
        self.settle()
        return len(validation) * len(self.candidates)

    def settle(self) -> None:
        """Drop what was kept only for candidates that were not chosen."""

    def validation_clients(self, clients: Clients) -> list[str]:
        """`validation_among` the members who answer."""
        return validation_among(clients.answering(self.members))

    def mean_scores(
        self, clients: Clients, scores: Mapping[str, Sequence[float]], among: Collection[str]
    ) -> list[float]:
        """The mean score with each candidate, over those of some clients that gave theirs.

        Raises:
            BadInput: none of them did, so nothing can be chosen by them.
        """
        given = [scores[client_id] for client_id in sorted(among) if client_id in scores]
        if not given:
            why = "; ".join(
                f"client {each!r}: {clients.failures.get(each, 'away, or without rows to be scored on')}"
                for each in among
            )
            raise BadInput(f"{self.name}: no client gave the scores to choose hyper-parameters by ({why})")
        return [sum(each) / len(given) for each in zip(*given, strict=True)]


def validation_among(members: Collection[str]) -> list[str]:
    """The first by id: who scores the candidates, and is not reported on where there are others (`compare`)."""
    return sorted(members)[:VALIDATION_CLIENTS]
