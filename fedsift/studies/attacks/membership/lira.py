"""LiRA: the likelihood ratio of an example's confidence (Carlini et al. 2022, arXiv 2112.03570).

With phi = log(p / (1 - p)) the scaled confidence, and for each example a normal distribution of phi over the reference
models trained with it (IN) and another over those trained without it (OUT):

    online     log N(phi; mu_in, sigma_in) - log N(phi; mu_out, sigma_out)          (algorithm 1)
    offline    (phi - mu_out) / sigma_out                                           (equation 4)

The offline score is the paper's Pr[Z <= phi] before the normal distribution function, which changes no order but makes
ties of all that lies far out. All examples are scored online if each has an IN model, and otherwise all offline: the
two scales cannot share a threshold, and if who has an IN model goes with who is a member, the scale alone would tell.

The variance is an example's own from 32 models on a side, and below that one for all examples: the paper's "fixed
variance", better with fewer than 64 reference models, half of them IN. Here it is pooled about each example's own mean.
The authors' code (np.std of all confidences) also counts how examples differ from one another, as if that were noise,
takes the IN variance for both sides, and medians for means.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.inputs import Numbers, probabilities, references
from fedsift.studies.attacks.membership_attack import MembershipAttack

OWN_VARIANCE_FROM = 32  # models on a side
# In float32 a confidence within 2^-25 of 1 is 1; the small ones keep their digits.
_HIGHEST_CONFIDENCE = 1 - 2.0**-24
_SMALLEST_VARIANCE = 1e-12  # of models that agree to the last bit


def lira(target: NDArray[Any], reference: NDArray[Any], seen: NDArray[np.bool_]) -> Numbers:
    """Membership scores; higher is more likely a member.

    Args:
        target: the target model's confidence in each example's true answer, above 0 and up to 1, shape (e,).
        reference: those of r reference models, shape (r, e).
        seen: which reference model's training had which example, shape (r, e).

    Returns:
        Shape (e,): log-likelihood ratios if every example has an IN model, otherwise offline scores.

    Raises:
        BadInput: the arrays do not fit, an example has no OUT model, or no example has two models of one kind, so that
            there is no variance (RMIA needs one reference model only).
    """
    target = probabilities("confidences of the target model", target)
    confidences, seen = references(reference, seen, len(target))
    phi, reference_phi = logit(target), logit(confidences)
    out_side, in_side = _side(reference_phi, ~seen), _side(reference_phi, seen)
    out_variance = _variance(out_side, in_side)
    if not in_side.models.all():
        return (phi - out_side.mean) / np.sqrt(out_variance)
    in_variance = _variance(in_side, out_side)
    from_out = (phi - out_side.mean) ** 2 / out_variance + np.log(out_variance)
    from_in = (phi - in_side.mean) ** 2 / in_variance + np.log(in_variance)
    return (from_out - from_in) / 2


def logit(confidences: Numbers) -> Numbers:
    """The scaled confidence log(p / (1 - p)), of p cut at 1 - 2^-24."""
    p = np.minimum(confidences, _HIGHEST_CONFIDENCE)
    return np.log(p) - np.log1p(-p)


class _Side(NamedTuple):
    """Of each example, over the models on one side: how many, their mean, and squared deviations from it, summed."""

    models: NDArray[np.intp]
    mean: Numbers
    squares: Numbers


def _side(phi: Numbers, on_side: NDArray[np.bool_]) -> _Side:
    models = on_side.sum(axis=0)
    mean = phi.sum(axis=0, where=on_side) / np.maximum(models, 1)
    return _Side(models, mean, ((phi - mean) ** 2).sum(axis=0, where=on_side))


def _variance(side: _Side, other: _Side) -> Numbers:
    """Of each example, shape (e,). A side on which no example has two models shares the other side's."""
    shared = _shared_variance(side)
    if shared is None:
        shared = _shared_variance(other)
    if shared is None:
        raise BadInput("seen: no example has two reference models of one kind, trained with it or without it")
    own = side.squares / np.maximum(side.models - 1, 1)
    return np.maximum(np.where(side.models >= OWN_VARIANCE_FROM, own, shared), _SMALLEST_VARIANCE)


def _shared_variance(side: _Side) -> float | None:
    freedom = int(np.maximum(side.models - 1, 0).sum())
    return float(side.squares.sum()) / freedom if freedom else None


ATTACK = MembershipAttack(
    "lira", "LiRA, online", lambda target, references: lira(target.confidences, references.confidences, references.seen)
)
