"""The blend: one predictor of what all members know, what a client's own model says, and how often it had each label.

    log p = log softmax(t [(1 - own) z_shared + own z_own] + prior log((n_c + 1/2) / (n + L/2)))

z_shared are the shared head's scores, plus `base` times the base model's own logits. Which of a few public settings is
served is one choice for all, by integer losses that members report on rows they held out: choices of each member for
itself, on its few rows, fit those rows. After a removal the losses of those who stay are summed anew.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOSS_SCALE = 2**10
_MOST_LOSS = 20.0  # of a decision, in nats: one sure mistake can't outvote a federation

Logits = NDArray[np.floating]  # shape (m, L)


class Blend(NamedTuple):
    """A setting of the blend."""

    own: float = 0.0  # the own model's share
    temperature: float = 1.0  # t
    prior: float = 0.0  # weight of the client's own label frequencies
    base: float = 0.0  # weight of the base model's logits


# From what is shared to what is not: the last ones are a member's own model, and its label frequencies.
BLENDS = (
    *(Blend(0.0, t, g) for t in (6.0, 12.0) for g in (0.0, 0.5, 1.0)),
)


def blended(
    blend: Blend,
    shared: Logits,
    own: Logits | None,
    base: Logits | None,
    label_counts: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Log-probabilities of the labels; shape (m, L).

    Args:
        blend: the setting.
        shared: the shared head's scores.
        own: logits of the member's own model; None counts as zero, which is a newcomer's.
        base: the base model's logits, where they mean something; None counts as zero.
        label_counts: n_c, how often the client's own rows have each label; shape (L,), or (m, L) where each decision
            is scored without its own row.
    """
    counts = label_counts.astype(np.float64)
    frequencies = (counts + 0.5) / (counts.sum(-1, keepdims=True) + counts.shape[-1] / 2)
    mixed = (1 - blend.own) * shared.astype(np.float64)
    if base is not None:
        mixed = mixed + (1 - blend.own) * blend.base * base
    if own is not None:
        mixed = mixed + blend.own * own
    logits = blend.temperature * mixed + blend.prior * np.log(frequencies)
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def integer_loss(log_probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> int:
    """The summed log loss, rounded for each decision to 1/LOSS_SCALE: a vote, whose sums depend on no order."""
    losses = -log_probabilities[np.arange(len(labels)), labels]
    return int(np.rint(LOSS_SCALE * np.minimum(losses, _MOST_LOSS)).sum())
