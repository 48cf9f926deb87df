"""Each file in `membership` is an attack, and all take the same."""

from pathlib import Path

import numpy as np
import pytest

from fedsift.studies.attacks import membership
from fedsift.studies.attacks.measure_membership import ATTACKS
from fedsift.studies.attacks.membership_attack import MembershipAttack, Models, References
from tests.studies.attacks.populations import population


def test_every_file_is_an_attack_those_without_references_first() -> None:
    files = Path(membership.__path__[0]).glob("[a-z]*.py")
    assert [attack.name for attack in ATTACKS] == ["loss", "lira", "rmia"]
    assert len(list(files)) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_members_score_higher(attack: MembershipAttack) -> None:
    """Training adds three deviations to the scaled confidence of 300 examples; of 100 others nobody has seen any."""
    plan = population(0, effect=3)
    apart = 300
    target = Models(*np.split(-np.log(np.where(np.arange(400) < apart, plan.target, plan.reference[0])), [apart]))
    seen = plan.seen[1:, :apart]
    references = References(*np.split(-np.log(plan.reference[1:]), [apart], axis=1), seen)
    scores = attack.scores(target, references)
    assert scores.shape == (apart,)
    members = plan.is_member[:apart]
    beaten = (scores[members][:, None] > scores[~members]).mean()
    assert beaten > (0.8 if attack.needs_references else 0.6)
