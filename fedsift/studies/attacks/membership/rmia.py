"""RMIA: how many of a population an example beats (Zarifzadeh et al. 2024, arXiv 2312.03262), its offline form.

    ratio(x) = p(x | theta) / p(x)          LR(x, z) = ratio(x) / ratio(z)
    score(x) = share of the population's z with LR(x, z) >= gamma

p(x) is the mean over models trained with x and without it. Offline, those with it are guessed from those without it:
p_in = a * p_out + 1 - a, so p(x) = ((1 + a) * p_out + 1 - a) / 2. One reference model is enough.

The authors' code for the paper has gamma = 2, and a = 1 where a is not known: then p(x) = p_out. So it is here. The
more the models learn by heart, the smaller a is; it can be found by attacking one of the reference models.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.inputs import Numbers, probabilities, references
from fedsift.studies.attacks.membership_attack import MembershipAttack


def rmia(
    target: NDArray[Any],
    reference: NDArray[Any],
    seen: NDArray[np.bool_],
    population_target: NDArray[Any],
    population_reference: NDArray[Any],
    *,
    gamma: float = 2.0,
    a: float = 1.0,
) -> Numbers:
    """Membership scores from 0 to 1; higher is more likely a member.

    O((e + z) log z); the e * z matrix of ratios is not made.

    Args:
        target: the target model's probability of each example's true answer, above 0 and up to 1, shape (e,).
        reference: those of r reference models, shape (r, e).
        seen: which reference model's training had which example, shape (r, e). Only those without it count.
        population_target: as `target`, of examples that neither the target nor a reference model was trained on,
            shape (z,).
        population_reference: as `reference`, of the same, shape (r, z).
        gamma: the ratio from which an example beats one of the population, above 0.
        a: from 0 to 1; 1 - a is what training adds to the probability of an example that had none.

    Returns:
        Shape (e,).

    Raises:
        BadInput: the arrays do not fit, an example has no model without it, or gamma or a is out of range.
    """
    if not gamma > 0:
        raise BadInput(f"gamma = {gamma}: it is a ratio above 0")
    if not 0 <= a <= 1:
        raise BadInput(f"a = {a}: it is from 0 to 1")
    if len(population_reference) != len(reference):
        raise BadInput(
            f"{len(population_reference)} reference models in the population, {len(reference)} of the examples; "
            "expected the same ones"
        )
    nobody = np.zeros(population_reference.shape, np.bool_)
    ratios = _ratios("confidences of the target model", target, reference, seen, a)
    population = _ratios("confidences in the population", population_target, population_reference, nobody, a)
    population.sort()
    beaten: Numbers = np.searchsorted(population, ratios / gamma, side="right") / len(population)
    return beaten


def _ratios(what: str, target: NDArray[Any], reference: NDArray[Any], seen: NDArray[np.bool_], a: float) -> Numbers:
    """p(x | theta) / p(x), shape (e,)."""
    target = probabilities(what, target)
    confidences, seen = references(reference, seen, len(target))
    without: Numbers = confidences.mean(axis=0, where=~seen)
    return target / (((1 + a) * without + (1 - a)) / 2)


ATTACK = MembershipAttack(
    "rmia",
    "RMIA",
    lambda target, references: rmia(
        target.confidences, references.confidences, references.seen, target.population, references.population
    ),
)
