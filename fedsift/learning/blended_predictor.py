"""The one predictor that a client is served: shared head, own rows on top, own model, own labels' frequencies.

It is made by the client, from the server's sums and from what the client itself keeps (docs/explanation/served.md).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.blend import BLENDS, Blend, SharedTokens, blended, integer_loss, lost_score, shared_labels
from fedsift.core.head_statistics import Decisions
from fedsift.core.shared_head import HeadSums, balance, label_centre, own_head, own_part, scores, solve
from fedsift.learning.decisions import targets_and_rows
from fedsift.learning.tasks.task import Measure, Task

_ENTRIES = 1 << 22  # of a matrix of log-probabilities that is made at once


@dataclass(frozen=True)
class SaidOf:
    """Some rows, and what M0 and a client's own model say of their decisions."""

    targets: NDArray[np.int32]  # right labels, shape (m,)
    rows: NDArray[np.int32]  # the row of each decision, shape (m,)
    features: NDArray[np.int8]  # shape (m, k)
    base: NDArray[np.float32] | None  # M0's logits, where they say something; shape (m, labels)
    own: NDArray[np.float32] | None = None  # the own model's, likewise; None for who has none

    @classmethod
    def of(
        cls,
        task: Task,
        encoded: Sequence[Any],
        decisions: Decisions,
        base: NDArray[np.float32] | None,
        own: NDArray[np.float32] | None = None,
    ) -> "SaidOf":
        """Of encoded rows with these decisions."""
        targets, rows = targets_and_rows(task, encoded)
        return cls(targets, rows, decisions.features, base, own)


class BlendedPredictor:
    """Says what a client is served, for any blend.

    Attributes:
        task: of the rows.
        labels: L, of the shared head; those above share one with a label below.
        label_counts: how often its own rows have each label, shape (labels,).
    """

    def __init__(
        self,
        task: Task,
        sums: HeadSums,
        ridge: float,
        own: Decisions | None = None,
        is_member: bool = False,
        directions: NDArray[np.float32] | None = None,
    ) -> None:
        """Solve for the client's head.

        Args:
            task: of the rows.
            sums: over all members.
            ridge: lambda.
            own: the client's decisions, to put on top; None for a client without rows.
            is_member: whether the sums hold the own decisions; they are taken out before they are put on top.
            directions: of the labels, which the head starts from; None for none.
        """
        self.task = task
        self.labels = sums.targets.shape[1]
        others = sums - HeadSums.of(own.features, own.labels, self.labels) if own and is_member else sums
        centre = None if directions is None else label_centre(others, directions)
        self._own = own_part(others, ridge, own.features, own.labels, own.rows, centre=centre) if own else None
        self._balance = balance(others)
        self._weights = self._own.weights if self._own else solve(others, ridge, centre)
        self.label_counts = np.bincount(own.labels if own else np.empty(0, np.int32), minlength=self.labels)

    def score(self, said: SaidOf, blend: Blend) -> float:
        """The task's metric over rows, blended."""
        return self.measure(said, blend).score

    def measure(self, said: SaidOf, blend: Blend) -> Measure:
        """The task's metric over rows, blended, and the likelihood of their tokens."""
        total = rows = likelihood = 0.0
        for _, part in _parts(said):
            log_probabilities = self._mix(part, scores(self._weights, part.features), self.label_counts)(blend)
            places = np.unique(part.rows, return_inverse=True)[1]
            count = int(places[-1]) + 1
            total += count * self.task.score_decisions(log_probabilities, part.targets, places)
            likelihood += log_probabilities[np.arange(len(part.targets)), part.targets].sum()
            rows += count
        return Measure(total / rows, -likelihood / len(said.targets) if self.task.is_of_tokens else None)

    def log_probabilities(self, said: SaidOf, blend: Blend) -> NDArray[np.float64]:
        """Of each label for each decision, blended; shape (decisions, labels)."""
        return self._mix(said, scores(self._weights, said.features), self.label_counts)(blend)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The client's head, shape (k, labels): where there are few labels, so that their scores come balanced."""
        return self._weights * self._balance if self.has_few_labels else self._weights

    @property
    def has_few_labels(self) -> bool:
        """Whether it decides between labels; else between tokens, where most are none that the head is sure of."""
        return self.task.has_prior or not self.task.base_answers

    def votes(self, said: SaidOf) -> list[int]:
        """The integer loss over rows that are not among the client's own, with each of `BLENDS`."""
        losses = np.zeros(len(BLENDS), np.int64)
        for _, part in _parts(said):
            mixed = self._mix(part, scores(self._weights, part.features), self.label_counts)
            losses += [self._loss(mixed(each), part) for each in BLENDS]
        return [int(loss) for loss in losses]

    def own_votes(self, said: SaidOf) -> list[int]:
        """The same over the client's own rows, with each of `BLENDS` that has no own model.

        Each row is scored by what the others say, and the client's other rows: head and frequencies without that row.
        """
        assert self._own is not None
        blends = [blend for blend in BLENDS if blend.own == 0]
        losses = np.zeros(len(blends), np.int64)
        for start, part in _parts(said):
            labels = part.targets % self.labels
            rows = np.unique(part.rows, return_inverse=True)[1]
            of_row = np.zeros((rows[-1] + 1, self.labels), np.int64)
            np.add.at(of_row, (rows, labels), 1)
            counts = self.label_counts - of_row[rows]
            mixed = self._mix(part, self._own.held_out[start : start + len(labels)], counts)
            losses += [self._loss(mixed(each), part) for each in blends]
        return [int(loss) for loss in losses]

    def _loss(self, log_probabilities: NDArray[np.float64], said: SaidOf) -> int:
        """What a vote counts: of labels the log loss, of which few rows tell more than of accuracy; else the metric."""
        if self.has_few_labels:
            return integer_loss(log_probabilities, said.targets)
        loss = 0
        cuts = np.flatnonzero(np.diff(said.rows)) + 1
        for logs, targets in zip(np.split(log_probabilities, cuts), np.split(said.targets, cuts), strict=True):
            loss += lost_score(self.task.score_decisions(logs, targets, np.zeros_like(targets)))
        return loss

    def _mix(
        self, said: SaidOf, head: NDArray[np.float64], counts: NDArray[Any]
    ) -> Callable[[Blend], NDArray[np.float64]]:
        """From the head's scores, what a blend makes of them: log-probabilities of all labels.

        Labels above the head's number of them share one.
        """
        if said.base is None or self.has_few_labels:
            known = counts if self.task.has_prior else None
            shared = shared_labels(head * self._balance, said.base)
            return lambda blend: blended(blend, shared, said.own, known)
        tokens = SharedTokens(head[:, np.arange(said.base.shape[1]) % self.labels], said.base)
        return lambda blend: blended(blend, tokens.under(blend), said.own, None)


class OwnHead(BlendedPredictor):
    """What a client's own rows alone make of the same features: a head without anybody else's."""

    def __init__(self, task: Task, own: Decisions, labels: int) -> None:
        super().__init__(task, HeadSums.empty(own.features.shape[1], labels), 1.0)
        self._weights = own_head(own.features, own.labels, own.rows, labels)


def _parts(said: SaidOf) -> Iterator[tuple[int, SaidOf]]:
    """Whole rows at a time, so few that a matrix over all labels stays small; each with its first decision."""
    most = max(1, _ENTRIES // (1 if said.base is None else said.base.shape[1]))
    ends = np.append(np.flatnonzero(np.diff(said.rows)) + 1, len(said.rows))
    start = 0
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - start > most:
            cut = slice(start, int(end))
            base, own = (None if each is None else each[cut] for each in (said.base, said.own))
            yield start, SaidOf(said.targets[cut], said.rows[cut], said.features[cut], base, own)
            start = int(end)
