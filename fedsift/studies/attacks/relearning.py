"""Relearning speed: how soon a model, tuned again on what was removed, is as good on it as it had been.

A model that never saw the data needs as many steps as it needs; one that recovers in fewer had kept something of it.
"""

from collections.abc import Mapping

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.inputs import finite


def steps_to_recover(scores_by_step: Mapping[int, float], target: float) -> int | None:
    """The first step at which the score reached the target.

    Args:
        scores_by_step: after so many steps of tuning, the score, higher being better; 0 steps may be among them.
        target: the score to reach, such as 0.95 of that before the removal.

    Returns:
        Steps; None if no score reached it.

    Raises:
        BadInput: there are no scores, or one or the target is not finite.
    """
    finite("scores by step", np.array(list(scores_by_step.values())))
    if not np.isfinite(target):
        raise BadInput(f"score to recover = {target}: it must be finite")
    return min((step for step, score in scores_by_step.items() if score >= target), default=None)
