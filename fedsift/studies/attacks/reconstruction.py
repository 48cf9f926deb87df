"""What all others, colluding, reconstruct of a member that stays (after Cohen et al. 2026, arXiv 2602.16697).

Colluders have each other's data, and what is published. They play the method among themselves, and go on from their own
model, M', through the published one, M, away from what they have made themselves:

    M + a (M - M')          a from 1 to T - 1, of T members

Of a mean of T contributions, as of the sums of SIFT-Masks, a = T - 1 is the lone other's contribution, whole. Of other
methods nobody knows the best a; here is the one with which most comes out, so no colluder does better in this way.

Cohen et al. have members delete their own data, and learn of the others from how that changes what is published. So it
is done before a removal, after it, and in the run that the leavers never joined: where after a removal more comes out
than in that run, the removal told of those who stayed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fedsift.core.examples import Row
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.task_vectors import Vector
from fedsift.studies.attacks.membership_attack import confidence
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, STATES, Parties, Subject
from fedsift.studies.training_cache import TrainingCache

PUBLISHED, RECONSTRUCTED = "what is published", "less what all others make"
_FACTORS = (1, 3, 10, 30, 100)


def victim_among(parties: Parties, root_seed: int) -> str | None:
    """A stayer, drawn from the root seed; None where no other stays with it."""
    stayers = parties.stayers
    return (
        stayers[random_order(derive_seed(root_seed, "attack stayers"), len(stayers))[0]] if len(stayers) > 1 else None
    )


def reconstruction(
    cache: TrainingCache, parties: Parties, subject: Subject, victim: str, rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """How likely the victim's answers are to the published model, and to what colluders make of it; a row each.

    Args:
        cache: scores.
        parties: of the attack.
        subject: the method; one that tells what the others make without the victim.
        victim: who stays.
        rows: that it trained on.
    """
    members = {state: len(parties.members if state == BEFORE else parties.stayers) for state in STATES}

    def requests() -> Iterator[tuple[str, Vector, Sequence[Row]]]:
        for state in STATES:
            pairs = zip(subject.states[state](victim), subject.without[state](victim), strict=False)
            for number, (published, others) in enumerate(pairs):
                for factor in (0, *_factors(members[state])):
                    yield f"{state} {factor} {number}", published + np.float32(factor) * (published - others), rows

    found: dict[str, dict[int, list[float]]] = {state: {} for state in STATES}
    for name, losses in sorted(cache.example_losses(requests()).items()):
        state, factor, _ = name.split(" ")
        known = np.nan_to_num(confidence(losses))  # A model that went too far says nothing.
        found[state].setdefault(int(factor), []).append(float(known.mean()))
    means = {state: {factor: float(np.mean(each)) for factor, each in by.items()} for state, by in found.items()}
    published = {state: by.pop(0) for state, by in means.items()}
    return [
        _row(subject, PUBLISHED, published),
        _row(subject, RECONSTRUCTED, {each: max(means[each].values()) for each in means}),
    ]


def _factors(members: int) -> list[int]:
    return [*(factor for factor in _FACTORS if factor < members - 1), members - 1]


def _row(subject: Subject, made_of: str, probability: Mapping[str, float]) -> dict[str, Any]:
    return {
        "method": subject.title,
        "from": made_of,
        "probability": dict(probability),
        "equals_oracle": probability[AFTER] == probability[ORACLE],
    }
