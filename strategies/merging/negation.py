"""Approximate unlearning by arithmetic on task vectors: task negation, NegMerge and MSA.

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

import hashlib
from collections.abc import Sequence

import numpy as np

from fedsift.strategies.merging.fixed_point import FixedPointSum
from fedsift.strategies.merging.vectors import Vector, hash_vector, slices

# lambda 0, 0.05, ..., 1: the lowest forget accuracy whose control accuracy is at least this share of the original's
# (`mgradyn/negmerge`, a fork of `naver-ai/negmerge`, CLIP_MU/src/negmerge.py; for task negation as well).
SCALES = tuple(step / 20 for step in range(21))
CONTROL_SHARE = 0.95
# MSA's search.
ALPHAS = (1.0, 1.5, 2.0)
BETAS = (0.0, 1.0)


class SignConsensus:
    """NegMerge's merge of K task vectors: their mean where all K signs agree, else zero. 12 bytes a parameter.

    A zero agrees with nothing: the reference keeps an entry where the signs, -1, 0 or 1, add up to K or to -K.

    Attributes:
        members: K.
    """

    def __init__(self, size: int) -> None:
        """No task vectors yet, of `size` entries."""
        self.members = 0
        self._sum = FixedPointSum(size)
        self._sign_sum = np.zeros(size, np.int32)

    @property
    def nbytes(self) -> int:
        """Memory of the sum and of the signs' sum."""
        return self._sum.nbytes + self._sign_sum.nbytes

    def add(self, task_vector: Vector) -> None:
        """Merge a task vector, shape (n,).

        Raises:
            Refused: it is of another shape, not finite or out of range; nothing is changed.
        """
        self._sum.add(task_vector)
        for entries in slices(len(task_vector)):
            self._sign_sum[entries] += np.sign(task_vector[entries]).astype(np.int32)
        self.members += 1

    def merged(self) -> Vector:
        """The consensus, shape (n,)."""
        merged = self._sum.mean(self.members)
        merged[np.abs(self._sign_sum) != self.members] = 0
        return merged

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over K, the sum and the signs' sum."""
        state = hashlib.sha256(self.members.to_bytes(8, "little"))
        self._sum.update_hash(state)
        hash_vector(state, self._sign_sum)
        return state.digest()


def negated(trained: Vector, forget: Vector, scale: float) -> Vector:
    """tau_D - lambda * tau_f, for task negation and with a consensus for NegMerge.

    Args:
        trained: tau_D, shape (n,).
        forget: tau_f or the consensus, relative to theta_D, shape (n,).
        scale: lambda.

    Returns:
        The task vector after unlearning, relative to M0, shape (n,).
    """
    return trained - np.float32(scale) * forget


def best_candidate(forgotten: Sequence[float], kept: Sequence[float]) -> int:
    """The candidate that forgets most and leaves the control clients `CONTROL_SHARE` of their score.

    Args:
        forgotten: mean score on the forget data with each candidate; the first one changes nothing.
        kept: mean score of the control clients with each.

    Returns:
        Its place; of several the first.
    """
    least = CONTROL_SHARE * kept[0]
    allowed = [place for place, score in enumerate(kept) if score >= least]
    return min(allowed, key=lambda place: forgotten[place])


def msa(trained: Vector, forget: Vector, retain: Vector, alpha: float, beta: float) -> Vector:
    """tau_D - alpha * tau_f + beta * tau_r (`mehrdadsaberi/MSA_unlearning`, src/tv_unlearn.py).

    Args:
        trained: tau_D, relative to M0, shape (n,).
        forget: tau_f, relative to theta_0, shape (n,).
        retain: tau_r, relative to theta_0, shape (n,).
        alpha: how much of tau_f goes.
        beta: how much of tau_r comes.

    Returns:
        The task vector after unlearning, relative to M0, shape (n,).
    """
    unlearned = negated(trained, forget, alpha)
    unlearned += np.float32(beta) * retain
    return unlearned
