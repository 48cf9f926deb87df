"""Approximate unlearning by arithmetic on task vectors: task negation, NegMerge and MSA.

The members' pool is trained as by Central FT. Of a removal, the leavers' data alone are trained on (and for MSA a few
other clients' data), and what comes of it is subtracted from the one model. How much, candidates say: they are scored
on the leavers' rows and on a few members', the control clients.

All of them change theta_D = M0 + tau_D, the model trained on everything; here as task vectors relative to M0, the same
before and after. They differ in what they subtract:

    task negation   tau_D - lambda * tau_f                      tau_f = theta_f - theta_D, theta_f tuned from theta_D on
                                                                the forget data (Ilharco et al. 2023, arXiv 2212.04089)
    NegMerge        tau_D - lambda * tau                        tau = the consensus of K such tau_f, tuned with varied
                                                                hyper-parameters (arXiv 2410.05583)
    MSA             tau_D - alpha * tau_f + beta * tau_r        tau_f = theta_f - theta_0, tau_r = theta_r - theta_0,
                                                                tuned from theta_0, a checkpoint from before the data,
                                                                on forget and on retain data (arXiv 2506.20941)

M0 has seen no client's data, so it can be theta_0; then tau_f and tau_r of MSA are plain task vectors.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence, Set
from typing import ClassVar

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Recipient, Terms, Work
from fedsift.strategies.families.pooled_training import Pool, PooledTraining, train

# lambda 0, 0.05, ..., 1: the lowest forget accuracy whose control accuracy is at least this share of the original's
# (`mgradyn/negmerge`, a fork of `naver-ai/negmerge`, CLIP_MU/src/negmerge.py; for task negation as well).
SCALES = tuple(step / 20 for step in range(21))
CONTROL_SHARE = 0.95


class NegatedCentralFineTuning(PooledTraining):
    """Subtract what training on the leavers' data alone has changed; a subclass says what, and how much at most."""

    exact = False
    searched: ClassVar[Sequence[Terms]]  # hyper-parameters of a removal; the first one changes nothing
    from_model: ClassVar[bool] = True  # whether the leavers' data are trained on from the model, or else from M0
    lr_factors: ClassVar[Sequence[float]] = (1.0,)  # of the trainings on the leavers' data
    uses_retain_data: ClassVar[bool] = False

    @abstractmethod
    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """What `arithmetic` needs of the trainings, by name.

        `forget` has a task vector for each of the `lr_factors`, relative to where it was trained from; `last` is of the
        last training: where the method uses retain data, of these, relative to M0.
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

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Train the members' pool while nobody leaves; else subtract.

        Raises:
            BadInput: a training for a removal failed, or nobody gave the scores that say how much to subtract.
        """
        if not leaving:
            return super().change(clients, joining, leaving)
        self.members = (self.members | joining) - leaving
        model = self.pools[0].checkpoints[-1]
        start = model if self.from_model else None
        pools = [Pool([sorted(leaving)], start=start, lr_factor=factor) for factor in self.lr_factors]
        if self.uses_retain_data:
            pools.append(Pool([self.validation_clients(clients)]))
        work = train(clients, pools)
        if not all(pool.checkpoints for pool in pools):
            raise BadInput(f"{self.name}: a training for the removal failed ({'; '.join(clients.failures.values())})")
        trained = [pool.checkpoints[0] for pool in pools]
        forget = [each - model if self.from_model else each for each in trained[: len(self.lr_factors)]]
        parts = self.parts(forget, trained[-1])
        work.validation_scorings = self._search(clients, leaving, {"0": model, **parts})
        self.pools = [Pool([sorted(self.members)], [self.arithmetic(model, parts, **self.found)])]
        return work

    def _search(self, clients: Clients, leaving: Set[str], shared: Mapping[str, Vector]) -> int:
        """Find the candidate with the lowest score on the leavers' rows that leaves the control clients theirs."""
        control = self.validation_clients(clients)
        asked = clients.answering(leaving | set(control))
        scores = clients.scores(self, asked, self.searched, shared)
        # Where nobody stays, there is nobody to leave anything to: all candidates do.
        kept = self.mean_scores(clients, scores, control) if control else [0.0] * len(self.searched)
        self.found = self.searched[best_candidate(self.mean_scores(clients, scores, leaving), kept)]
        return len(asked) * len(self.searched)


def negated(trained: Vector, forget: Vector, scale: float) -> Vector:
    """tau_D - lambda * tau_f, for task negation and with a consensus for NegMerge; all of shape (n,).

    tau_f, or the consensus, is relative to theta_D; tau_D and the task vector after unlearning to M0.
    """
    return trained - np.float32(scale) * forget


def best_candidate(forgotten: Sequence[float], kept: Sequence[float]) -> int:
    """The place of the first candidate that forgets most and leaves the control clients `CONTROL_SHARE` of their score.

    Of each candidate, the first of which changes nothing: mean scores on the forget data, and of the control clients.
    """
    least = CONTROL_SHARE * kept[0]
    allowed = [place for place, score in enumerate(kept) if score >= least]
    return min(allowed, key=lambda place: forgotten[place])
