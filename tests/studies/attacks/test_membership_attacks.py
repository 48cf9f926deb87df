"""Each file in `membership` is an attack, and all take the same."""

import math
from pathlib import Path

import numpy as np
import pytest

from fedsift.learning.token_scores import TokenScores
from fedsift.studies.attacks import membership
from fedsift.studies.attacks.measure_membership import ATTACKS
from fedsift.studies.attacks.membership.min_k import lowest
from fedsift.studies.attacks.membership_attack import Language, MembershipAttack, References, Target
from tests.studies.attacks.populations import population

BY_NAME = {attack.name: attack for attack in ATTACKS}
NONE = References(np.empty((0, 2)), np.empty((0, 0)), np.empty((0, 2), np.bool_))


def test_every_file_is_an_attack_those_without_references_first() -> None:
    files = Path(membership.__path__[0]).glob("[a-z]*.py")
    alone = ["loss", "min_k", "min_k_plus_plus", "reference", "zlib"]
    assert [attack.name for attack in ATTACKS] == [*alone, "lira", "rmia"]
    assert len(list(files)) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_members_score_higher(attack: MembershipAttack) -> None:
    """Training adds three deviations to the scaled confidence of 300 examples; of 100 others nobody has seen any.

    Each has an answer of one token, and zlib makes the same of all.
    """
    plan = population(0, effect=3)
    apart = 300
    losses, others = np.split(-np.log(np.where(np.arange(400) < apart, plan.target, plan.reference[0])), [apart])
    one, nothing = np.ones(apart), np.zeros(apart, np.bool_)
    language = Language(TokenScores(one.astype(np.intp), losses, -losses, nothing), one)
    target = Target(losses, others, -np.log(plan.reference[0, :apart]), language)
    seen = plan.seen[1:, :apart]
    references = References(*np.split(-np.log(plan.reference[1:]), [apart], axis=1), seen)
    scores = attack.scores(target, references)
    assert scores.shape == (apart,)
    members = plan.is_member[:apart]
    beaten = (scores[members][:, None] > scores[~members]).mean()
    assert beaten > (0.8 if attack.needs_references else 0.6)


def test_scores_by_hand() -> None:
    """Two answers, of five tokens and of one."""
    losses = np.array([1.0, 4.0, 2.0, 3.0, 0.5, 8.0])
    tokens = TokenScores(np.array([5, 1]), losses, np.arange(6.0), losses > 1)
    np.testing.assert_array_equal(tokens.row_losses, [2.1, 8.0])
    target = Target(tokens.row_losses, np.empty(0), np.array([3.0, 8.5]), Language(tokens, np.array([10.0, 16.0])))
    found = {name: BY_NAME[name].scores(target, NONE).tolist() for name in BY_NAME if name not in ("lira", "rmia")}
    assert found == {
        "loss": [-2.1, -8.0],
        "min_k": [-3.5, -8.0],  # the two least likely of five
        "min_k_plus_plus": [0.5, 5.0],
        "reference": [pytest.approx(0.9), 0.5],
        "zlib": [pytest.approx(-0.21), -0.5],
    }
    assert math.isclose(lowest(tokens, -losses, share=1.0)[0], -2.1)
