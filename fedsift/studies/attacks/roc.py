"""What a membership attack's scores are worth: area under the ROC curve, and hits at few false alarms.

The interval of the AUC is DeLong's (DeLong, DeLong and Clarke-Pearson 1988), widened at either end to Newcombe's
(Statistics in Medicine 25:559, 2006, method 5). DeLong's is narrow near 0 and 1 and has no width at all where members
and non-members are perfectly separated or all scores are equal, however few they are. Newcombe's solves, as Wilson's
does for a share, |AUC - theta| = z * sqrt(V(theta)), with the variance of Hanley and McNeil at the limit itself:

    V(theta) = theta * (1 - theta) * (1 + k * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (a * b)
    k = (a + b) / 2 - 1

On normal scores of 15 to 400 examples the wider of both covered the true area 95 to 97 times of 100 at areas of 0.5 and
0.7, and 99 at 0.9 and more, where DeLong's alone covered 80 to 92.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.seeds import derive_seed
from fedsift.studies.attacks.inputs import Numbers, finite

Interval = tuple[float, float]

# What a membership attack's scores come to, by its name in the result: the rate is that of false positives.
FIGURES = {"auc": "AUC", "tpr_at_0.001": "TPR at FPR 0.1%", "tpr_at_0.01": "TPR at FPR 1%"}

_Z = NormalDist().inv_cdf(0.975)
RESAMPLES = 500
ENDS = (0.025, 0.975)  # of a 95% interval
_BISECTIONS = 60  # past float64's digits


@dataclass(frozen=True)
class Roc:
    """The summary of a membership attack; all intervals are of 95%.

    With fewer non-members than a rate counts in, none may be taken for a member: the threshold is above all of them.
    """

    auc: float  # the share of pairs in which the member scores higher, ties counted half
    auc_interval: Interval  # see the module
    tpr_at_one_in_1000: float  # the share of members found with at most 0.1% of the non-members taken for members
    tpr_at_one_in_1000_interval: Interval  # Wilson's, for this threshold; that few non-members fix it is not in it
    tpr_at_one_in_100: float  # the same at 1%
    tpr_at_one_in_100_interval: Interval

    def to_json(self) -> dict[str, float | list[float]]:
        """The same for a JSON file, under the names that say the false positive rate."""
        told = zip((each for name in FIGURES for each in (name, f"{name}_interval")), vars(self).values(), strict=True)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told}


def roc(members: NDArray[Any], non_members: NDArray[Any]) -> Roc:
    """Sum up membership scores, higher being more likely a member; O((a + b) log(a + b)).

    Args:
        members: scores of examples that were trained on, shape (a,).
        non_members: scores of examples that were not, shape (b,).

    Raises:
        BadInput: scores are missing or not finite.
    """
    inside = np.sort(finite("scores of members", members))
    outside = np.sort(finite("scores of non-members", non_members))
    auc, auc_interval = _auc(inside, outside)
    rare, rare_interval = _share_found(inside, outside, one_in=1000)
    few, few_interval = _share_found(inside, outside, one_in=100)
    return Roc(auc, auc_interval, rare, rare_interval, few, few_interval)


def paired_differences(
    found: tuple[Numbers, Numbers], reference: tuple[Numbers, Numbers], root_seed: int
) -> dict[str, list[float]]:
    """By how much an attack's `FIGURES` on one model exceed those on the reference, which never had the leavers.

    Args:
        found: scores of members and of non-members by the model, shapes (a,) and (b,).
        reference: of the same examples by the reference, in the same order.
        root_seed: of the resamples.

    Returns:
        Each figure's difference, and the ends of its 95% bootstrap interval: examples are drawn in pairs, those of the
        two sides apart. All three are 0 where the scores are the same.
    """
    draws = np.random.Philox(key=derive_seed(root_seed, "attack differences"))
    sizes = [len(side) for side in found]
    resamples = [[draws.random_raw(size) % size for size in sizes] for _ in range(RESAMPLES)]

    def exceeds(places: list[NDArray[Any]]) -> Numbers:
        here, there = ([scores[at] for scores, at in zip(sides, places, strict=True)] for sides in (found, reference))
        return _figures(*here) - _figures(*there)

    differences = exceeds([np.arange(size) for size in sizes])
    ends = np.quantile([exceeds(places) for places in resamples], ENDS, axis=0)
    low, high = np.minimum(ends[0], differences), np.maximum(ends[1], differences)
    return dict(zip(FIGURES, np.stack([differences, low, high], axis=1).tolist(), strict=True))


def _figures(members: Numbers, non_members: Numbers) -> Numbers:
    inside, outside = np.sort(members), np.sort(non_members)
    rates = (_share_found(inside, outside, one_in)[0] for one_in in (1000, 100))
    return np.array([_share_below(inside, outside).mean(), *rates])


def _auc(members: Numbers, non_members: Numbers) -> tuple[float, Interval]:
    # The share of the other group that each score beats, or is beaten by: DeLong's structural components.
    beaten = _share_below(members, non_members)
    beating = 1 - _share_below(non_members, members)
    auc = float(beaten.mean())
    low, high = _newcombe_lower(auc, len(members), len(non_members)), 1.0
    high -= _newcombe_lower(1 - auc, len(members), len(non_members))
    if min(len(members), len(non_members)) > 1:
        variance = float(beaten.var(ddof=1) / len(members) + beating.var(ddof=1) / len(non_members))
        low, high = min(low, auc - _Z * variance**0.5), max(high, auc + _Z * variance**0.5)
    return auc, (max(low, 0.0), min(high, 1.0))


def _share_below(scores: Numbers, others: Numbers) -> Numbers:
    """The share of `others` (sorted) below each score, ties counted half."""
    return (np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")) / (2 * len(others))


def _newcombe_lower(auc: float, a: int, b: int) -> float:
    """The smallest theta with auc - theta <= z * sqrt(V(theta))."""
    low, high = 0.0, auc
    for _ in range(_BISECTIONS):
        theta = (low + high) / 2
        spread = 1 + ((a + b) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        if auc - theta <= _Z * (theta * (1 - theta) * spread / (a * b)) ** 0.5:
            high = theta
        else:
            low = theta
    return high


def _share_found(members: Numbers, non_members: Numbers, one_in: int) -> tuple[float, Interval]:
    """The largest share of members above a threshold that at most one in so many non-members is above."""
    false_alarms = len(non_members) // one_in
    threshold = non_members[-1 - false_alarms]
    found = len(members) - int(np.searchsorted(members, threshold, "right"))
    return found / len(members), wilson(found, len(members))


def wilson(found: int, among: int) -> Interval:
    """Wilson's 95% interval of a share."""
    share, z2 = found / among, _Z**2
    middle = (share + z2 / (2 * among)) / (1 + z2 / among)
    half = _Z * (share * (1 - share) / among + z2 / (4 * among**2)) ** 0.5 / (1 + z2 / among)
    # At its ends the interval is exactly 0 or 1, but for rounding.
    return (0.0 if found == 0 else middle - half, 1.0 if found == among else middle + half)
