"""The blend: one predictor of what all members know, what a client's own model says, and how often it had each label.

    log p = log softmax((1 - own) log p_shared + own log p_own + prior log((n_c + 1/2) / (n + L/2)))

of labels, and without the last term of tokens.

Which of a few public settings is served is one choice for all members, by integer losses that they report (`choose`):
choices of each member for itself, on its few rows, fit those rows. After a removal the losses of those who stay are
summed anew, so what is served is what a run would serve that the leaver never joined.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.seeds import derive_seed

_LOSS_SCALE = 2**10  # of a vote, in units a nat
_MOST_LOSS = 20.0  # of a decision, in nats: one sure mistake cannot outvote a federation
_SHARPNESS = 12.0  # of the shared head's scores, which are about 1 for the label and about 0 for the others
_LEAST_LOG = -30.0  # Of a probability: nothing is divided by less.
_FLOOR = 0.1  # of a language model: below this share of M0's own probability, a token's score says little
_SHARE_OF_VOTERS, _LEAST_VOTERS = 20, 8
_MOST_OF_HEAD = 100  # members that say what a setting costs without an own model: more would tell nothing new

Logits = NDArray[np.floating]  # shape (m, L)


class Blend(NamedTuple):
    """A setting of the blend."""

    own: float = 0.0  # the own model's share
    prior: float = 0.0  # of labels: weight of the client's own frequencies
    # Of a language model, whose tokens have no such frequencies, how the shared head raises them (`SharedTokens`):
    ratio: float = 0.8  # by how much it is surer than M0,
    sharp: float = 0.0  # or by how sure it is


# Prior, ratio and sharp: a task has use for the first alone, or for the others. The last is M0 as it is.
_SECOND = ((0.0, 0.8, 0.0), (0.25, 0.3, 0.0), (0.5, 0.0, 40.0), (1.0, 0.0, 0.0))
BLENDS = tuple(Blend(own, *second) for own in (0.0, 0.3, 0.6, 1.0) for second in _SECOND)
UNVOTED = Blend(own=0.3)  # what is served where nobody has voted


def log_softmax(logits: Logits) -> NDArray[np.float64]:
    """Log-probabilities of logits."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalised


def shared_labels(scores: Logits, base: Logits | None) -> NDArray[np.float64]:
    """Log-probabilities of a few labels from the shared head's scores, times M0's own where these mean something."""
    sharp = _SHARPNESS * scores.astype(np.float64)
    return log_softmax(sharp if base is None else sharp + log_softmax(base))


class SharedTokens:
    """Log-probabilities of tokens from the shared head's scores and M0's logits, for any blend.

    log p0 + ratio log(1 + s / (floor p0)) + sharp s, s = max(score, 0), normalised. A token that the head does not know
    keeps what M0 gives it. By the ratio, one that it knows goes from p0 to about p0^(1 - ratio) s^ratio: many tokens
    that are a little likelier than M0 has it add up. By the sharp term those alone count that it is sure of.
    """

    def __init__(self, scores: Logits, base: Logits) -> None:
        """From scores and logits of the same decisions, shape (m, L) both."""
        self._known = log_softmax(base)
        self._positive = np.maximum(scores.astype(np.float64), 0)
        self._gain = np.log1p(self._positive / (_FLOOR * np.exp(np.maximum(self._known, _LEAST_LOG))))

    def under(self, blend: Blend) -> NDArray[np.float64]:
        """With a blend's ratio and sharpness; shape (m, L)."""
        return log_softmax(self._known + blend.ratio * self._gain + blend.sharp * self._positive)


def blended(
    blend: Blend, shared: Logits, own: Logits | None, label_counts: NDArray[np.integer] | None
) -> NDArray[np.float64]:
    """Log-probabilities of the labels; shape (m, L).

    Args:
        blend: the setting.
        shared: what the shared head says, as log-probabilities.
        own: logits of the member's own model; None for who has none, who is then served what is shared.
        label_counts: n_c, how often the client's own rows have each label; shape (L,), or (m, L) where each decision
            is scored without its own row; None where they say nothing.
    """
    mixed = shared if own is None else (1 - blend.own) * shared + blend.own * log_softmax(own)
    if label_counts is not None and blend.prior:
        counts = label_counts.astype(np.float64)
        frequencies = (counts + 0.5) / (counts.sum(-1, keepdims=True) + counts.shape[-1] / 2)
        mixed = mixed + blend.prior * np.log(frequencies)
    return log_softmax(mixed)


def integer_loss(log_probabilities: Logits, labels: NDArray[np.integer]) -> int:
    """The summed log loss, each decision's rounded to 2^-10 nats: a vote, whose sums depend on no order."""
    losses = -log_probabilities[np.arange(len(labels)), labels]
    return int(np.rint(_LOSS_SCALE * np.minimum(losses, _MOST_LOSS)).sum())


def lost_score(score: float) -> int:
    """What a row's score lacks to 1, in units of 2^-10: a vote on the metric itself."""
    return max(0, round(_LOSS_SCALE * (1 - score)))


MOST_LOSS = round(_LOSS_SCALE * _MOST_LOSS)  # of a decision, in the units of a vote


def choose_voters(sign_seed: int, members: Collection[str]) -> tuple[list[str], set[str]]:
    """Who votes, a hundred members or all of fewer; and who of them also tunes on a part of its rows.

    These tell what an own model is worth on the other rows: a twentieth of the members, or eight. The first by a hash,
    so that the choice depends on who is a member alone.
    """
    ranked = sorted(members, key=lambda client_id: derive_seed(sign_seed, "voter", client_id))
    tuning = max(_LEAST_VOTERS, len(ranked) // _SHARE_OF_VOTERS)
    return ranked[: max(_MOST_OF_HEAD, tuning)], set(ranked[:tuning])


def choose(head_losses: Sequence[int], own_losses: Sequence[int] | None) -> Blend:
    """The setting with the least loss: first what weighs without an own model, then the own model.

    Args:
        head_losses: of each of `BLENDS` without an own model, in their order, summed over all members; each member's
            rows are scored by what its other rows and the others say.
        own_losses: of each of `BLENDS`, summed over the voters' rows that they did not tune on; None without voters.
    """
    without = [place for place, blend in enumerate(BLENDS) if blend.own == 0]
    best = BLENDS[without[int(np.argmin(head_losses))]]
    if own_losses is None:
        return best._replace(own=UNVOTED.own)
    candidates = [place for place, blend in enumerate(BLENDS) if blend._replace(own=0.0) == best]
    return BLENDS[min(candidates, key=lambda place: own_losses[place])]


HEAD_VOTES = sum(blend.own == 0 for blend in BLENDS)


def constants() -> dict[str, float]:
    """What a blend is made with beside its setting, by name: for who makes one without fedsift (`fedsift export`)."""
    return {"sharpness": _SHARPNESS, "floor": _FLOOR, "least_log": _LEAST_LOG}
