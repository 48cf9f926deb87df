"""Min-k%: membership by an answer's least likely tokens (Shi et al. 2024, arXiv 2310.16789).

What was learnt has few tokens that surprise: the score is the mean log-probability of the 40% that are least likely, a
share of OpenUnlearning's, whose answers are as short.
"""

import numpy as np
from numpy.typing import NDArray

from fedsift.learning.token_scores import TokenScores
from fedsift.studies.attacks.inputs import Numbers
from fedsift.studies.attacks.membership_attack import MembershipAttack

SHARE = 0.4  # of an answer's tokens, but at least one


def lowest(scores: TokenScores, values: NDArray[np.float64], share: float = SHARE) -> Numbers:
    """The mean of the lowest of each example's values.

    Args:
        scores: which tokens are whose.
        values: one a token, shape (t,).
        share: how many of them.

    Returns:
        Shape (e,).
    """
    return np.array([np.sort(each)[: max(1, int(share * len(each)))].mean() for each in scores.by_row(values)])


ATTACK = MembershipAttack(
    "min_k",
    "min-k%",
    lambda target, _: lowest(target.tokens, -target.tokens.losses),
    needs_references=False,
    needs_tokens=True,
)
