"""What all methods share that SIFT-Masks is compared with: they are served, scored, and asked what a removal cost."""

import json
import math
from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsift.core.errors import BadInput, Refused
from fedsift.protocol import messages
from fedsift.protocol.client_rounds import ClientRounds, RoundRecord
from fedsift.protocol.messages import EVALUATE_SERVED, REMOVED, Stream
from fedsift.strategies.method import Method

Vector = NDArray[np.float32]
VALIDATION_CLIENTS = 5  # that choose the hyper-parameters


@dataclass
class ComparedRecord(RoundRecord):
    """What a round did.

    Attributes:
        left: clients removed in this round.
        trainings: clients that trained for the removals of this round.
        steps: optimiser steps of these.
        validation_scorings: models scored to choose hyper-parameters.
    """

    left: list[str] = field(default_factory=list)
    trainings: int = 0
    steps: int = 0
    validation_scorings: int = 0


@dataclass(frozen=True)
class Recipient:
    """A client that is being served, on its own side.

    Attributes:
        own: a member's own task vector, shape (n,); None for who is no member, or where nobody has one.
        shared: what the server sends to everybody.
        sizes: entries of each tuned parameter, in their order.
        score: the mean score of one of `shared`, by its name, on the rows that the client tunes on.
    """

    own: Vector | None
    shared: Mapping[str, Vector]
    sizes: Sequence[int]
    score: Callable[[str], float]


class ComparedMethod(ClientRounds[ComparedRecord]):
    """A method of the registry; a subclass says how it trains, what it keeps, and how a client is served."""

    method: ClassVar[Method]
    candidates: ClassVar[Sequence[Mapping[str, float]]] = ({},)  # hyper-parameters of `serve` to choose from

    def __init__(self, size: int, evaluated: Container[int], chosen: Mapping[str, float] | None = None) -> None:
        """Begin without members.

        Args:
            size: n, the number of tuned parameters.
            evaluated: the rounds that end with an evaluation.
            chosen: one of the `candidates`; without it the first evaluation chooses.
        """
        super().__init__()
        self.size = size
        self.members: set[str] = set()
        self.chosen: Mapping[str, float] = chosen or {}
        self._evaluated = evaluated

    @property
    def hyper_parameters(self) -> Mapping[str, float]:
        """Those that a search found."""
        return self.chosen

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the state, as hexadecimal digits: the same for any order of arrival."""

    @abstractmethod
    def shared(self) -> dict[str, Vector]:
        """What the server sends to everybody to be served from."""

    def own_terms(self, client_id: str) -> dict[str, float]:
        """What `serve` is told of one client beside the hyper-parameters."""
        return {}

    @staticmethod
    @abstractmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The task vectors that a client is served; run by the client, which alone has its own.

        Args:
            recipient: the client.
            **terms: hyper-parameters, one of the `candidates`, and the client's `own_terms`.

        Returns:
            One, of shape (n,); or several, over whose scores the mean is taken.
        """

    def settle(self) -> None:
        """Drop what was kept only for candidates that were not chosen."""

    def summary(self) -> None:
        """Nothing to say before the first round."""

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Tell those who left; choose hyper-parameters in the first evaluation; serve all who answered."""
        self.tell(REMOVED, server_round, self.rounds[-1].left, grid)
        if server_round not in self._evaluated or not self.members:
            return []
        if len(self.candidates) > 1 and not self.chosen:
            self._choose(server_round, grid)
        serving = self.serving(self.clients, [self.chosen], server_round, self.shared())
        return Stream(serving, len(self.clients))

    def _choose(self, server_round: int, grid: Grid) -> None:
        """The candidate with the highest mean score on the validation clients."""
        validation = self.validation_clients()
        scores = self.candidate_scores(self.nodes_of(validation), self.candidates, server_round, self.shared(), grid)
        means = self.candidate_means(scores, validation)
        self.chosen = self.candidates[means.index(max(means))]
        self.rounds[-1].validation_scorings += len(validation) * len(self.candidates)
        self.settle()

    def validation_clients(self) -> list[str]:
        """The first members by id, of those who answered."""
        return sorted(self.members & set(self.clients.values()))[:VALIDATION_CLIENTS]

    def nodes_of(self, clients: Container[str]) -> list[int]:
        """The nodes of clients, of those who answered."""
        return [node for node, client_id in self.clients.items() if client_id in clients]

    def candidate_scores(
        self,
        nodes: Iterable[int],
        candidates: Sequence[Mapping[str, float]],
        server_round: int,
        vectors: Mapping[str, Vector],
        grid: Grid,
    ) -> dict[str, list[float]]:
        """Client -> its score with each candidate; a reply without all of them is refused."""
        scores: dict[str, list[float]] = {}
        for reply in grid.send_and_receive(self.serving(nodes, candidates, server_round, vectors)):
            try:
                self.client_record(reply)
                told = messages.reply_scores(reply)
                found = [told.get(f"served {place}", math.nan) for place in range(len(candidates))]
                if not all(map(math.isfinite, found)):
                    raise Refused("a reply lacks a finite score for each candidate's hyper-parameters")
                scores[self.name(reply)] = found
            except Refused as error:
                self.failed(self.name(reply), EVALUATE_SERVED, error)
        return scores

    def candidate_means(self, scores: Mapping[str, Sequence[float]], clients: Sequence[str]) -> list[float]:
        """The mean score with each candidate, over those of the clients that told theirs.

        Raises:
            BadInput: none of them did, so nothing can be chosen by them.
        """
        told = [scores[client_id] for client_id in sorted(clients) if client_id in scores]
        if not told:
            why = "; ".join(f"client {each!r}: {self.rounds[-1].failures.get(each, 'away')}" for each in clients)
            raise BadInput(f"{self.method.name}: no client told the scores to choose hyper-parameters by ({why})")
        return [sum(each) / len(told) for each in zip(*told, strict=True)]

    def serving(
        self,
        nodes: Iterable[int],
        candidates: Sequence[Mapping[str, float]],
        server_round: int,
        vectors: Mapping[str, Vector],
    ) -> Iterator[Message]:
        """Messages that have clients score what they are served with each candidate, made while they are sent."""
        shared = ArrayRecord({name: messages.float_array(vector) for name, vector in vectors.items()})
        for node in nodes:
            client_id = self.clients[node]
            chosen = json.dumps([{**each, **self.own_terms(client_id)} for each in candidates])
            member = client_id in self.members
            config = ConfigRecord({"method": self.method.name, "member": member, "candidates": chosen})
            content = RecordDict({"shared": shared, "config": config})
            yield Message(content, dst_node_id=node, message_type=EVALUATE_SERVED, group_id=str(server_round))
