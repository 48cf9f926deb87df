import math

import pytest

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.relearning import steps_to_recover


def test_by_hand() -> None:
    scores = {0: 0.1, 1: 0.3, 2: 0.8, 5: 0.6, 10: 0.95}
    assert steps_to_recover(scores, 0.3) == 1
    assert steps_to_recover(scores, 0.7) == 2  # though it falls again
    assert steps_to_recover(scores, 0.9) == 10
    assert steps_to_recover(scores, 0.1) == 0
    assert steps_to_recover(scores, 0.96) is None
    assert steps_to_recover(dict(reversed(scores.items())), 0.7) == 2  # in any order


def test_bad_input() -> None:
    for scores, target, message in (
        ({}, 0.5, "scores by step"),
        ({0: math.nan}, 0.5, "scores by step"),
        ({0: 0.5}, math.nan, "score to recover = nan"),
    ):
        with pytest.raises(BadInput, match=message):
            steps_to_recover(scores, target)
