"""A made-up target and reference models, in which training adds a known amount to an example's scaled confidence."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.studies.attacks.roc import Roc, roc


class Population(NamedTuple):
    target: NDArray[np.float64]  # (e,)
    is_member: NDArray[np.bool_]  # (e,)
    reference: NDArray[np.float64]  # (r, e)
    seen: NDArray[np.bool_]  # (r, e)

    def roc(self, scores: NDArray[np.float64]) -> Roc:
        """How well scores of shape (e,) tell members from others."""
        return roc(scores[self.is_member], scores[~self.is_member])


def population(seed: int, effect: float, models: int = 16, examples: int = 400, seen_share: float = 0.5) -> Population:
    generator = np.random.default_rng(seed)
    difficulty = generator.normal(0, 3, examples)
    is_member = np.arange(examples) % 2 == 0
    # Each example is in the training of the same number of reference models.
    seen = np.argsort(generator.random((models, examples)), axis=0) < round(seen_share * models)

    def confidences(trained: NDArray[np.bool_]) -> NDArray[np.float64]:
        scaled = difficulty + effect * trained + generator.normal(0, 1, trained.shape)
        return np.asarray(1 / (1 + np.exp(-scaled)))

    return Population(confidences(is_member), is_member, confidences(seen), seen)
