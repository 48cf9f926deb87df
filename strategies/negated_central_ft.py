"""Approximate unlearning on top of Central FT: the frame of task negation, NegMerge and MSA.

The members' pool is trained as by Central FT. Of a removal, the leavers' data alone are trained on (and for MSA a few
other clients' data), and what comes of it is subtracted from the one model. How much, candidates say: they are scored
on the leavers' rows and on a few members', the control clients.
"""

from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.serverapp import Grid

from fedsift.strategies.central_ft import CentralFineTuning
from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.merging.negation import best_candidate
from fedsift.strategies.pooled_training import Pool


class NegatedCentralFineTuning(CentralFineTuning):
    """Subtract what training on the leavers' data alone has changed; a subclass says what, and how much at most.

    Attributes:
        before: the model before the first removal, shape (n,): how far a removal has come is measured from there.
    """

    searched: ClassVar[Sequence[Mapping[str, float]]]  # hyper-parameters of a removal; the first one changes nothing
    from_model: ClassVar[bool] = True  # whether the leavers' data are trained on from the model, or else from M0
    lr_factors: ClassVar[Sequence[float]] = (1.0,)  # of the trainings on the leavers' data
    uses_retain_data: ClassVar[bool] = False

    def __init__(self, size: int, evaluated: Container[int], chosen: Mapping[str, float] | None = None) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, evaluated, chosen)
        self._found: Mapping[str, float] = {}
        self.before: Vector | None = None

    @property
    def hyper_parameters(self) -> Mapping[str, float]:
        """Of the last removal."""
        return self._found

    @abstractmethod
    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """What `arithmetic` needs of the trainings, by name.

        Args:
            forget: a task vector, relative to where it was trained from, for each of the `lr_factors`.
            last: of the last training; where the method uses retain data, of these, relative to M0.
        """

    @staticmethod
    @abstractmethod
    def arithmetic(model: Vector, parts: Mapping[str, Vector], **terms: float) -> Vector:
        """The task vector after unlearning with one of the `searched`, shape (n,)."""

    @classmethod
    def serve(cls, recipient: Recipient, **terms: float) -> list[Vector]:
        """The one model; while a removal is going on, what a candidate makes of it."""
        terms.pop("pool", None)
        model = recipient.shared["0"]
        return [cls.arithmetic(model, recipient.shared, **terms) if terms else model]

    def train(self, server_round: int, grid: Grid) -> Iterator[Message]:
        """Train the members' pool while nobody leaves; else on the leavers' data, and on the control clients'."""
        left = self.rounds[-1].left
        if not left:
            yield from super().train(server_round, grid)
            return
        self.in_training = [Pool([left]) for _ in self.lr_factors]
        start = self.pools[0].checkpoints[-1] if self.from_model else None
        for number, factor in enumerate(self.lr_factors):
            yield self.training(server_round, number, start, factor)
        if self.uses_retain_data:
            self.in_training.append(Pool([self.validation_clients()]))
            yield self.training(server_round, len(self.lr_factors), None)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Subtract, where somebody left; then as always."""
        record = self.rounds[-1]
        if record.left:
            self._unlearn(server_round, record.left, grid)
            record.state_digest = self.digest()
        return super().configure_evaluate(server_round, arrays, config, grid)

    def _unlearn(self, server_round: int, left: list[str], grid: Grid) -> None:
        """Take the candidate with the lowest score on the leavers' rows that leaves the control clients theirs."""
        model = self.pools[0].checkpoints[-1]
        self.before = model if self.before is None else self.before
        trained = [pool.checkpoints[0] for pool in self.in_training]
        forget = [each - model if self.from_model else each for each in trained[: len(self.lr_factors)]]
        parts = self.parts(forget, trained[-1])
        control = self.validation_clients()
        nodes = self.nodes_of({*left, *control})
        scores = self.candidate_scores(nodes, self.searched, server_round, {"0": model, **parts}, grid)
        self.rounds[-1].validation_scorings = len(nodes) * len(self.searched)
        # Where nobody stays, there is nobody to leave anything to: all candidates do.
        kept = self.candidate_means(scores, control) if control else [0.0] * len(self.searched)
        self._found = self.searched[best_candidate(self.candidate_means(scores, left), kept)]
        self.pools = [Pool([sorted(self.members)], [self.arithmetic(model, parts, **self._found)])]
