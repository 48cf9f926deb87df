"""Membership by the loss alone: what a model was trained on, it loses less on (Yeom et al. 2018, arXiv 1709.01604).

It needs no other model, and takes an example that is easy for every model for a member.
"""

from typing import Any

from numpy.typing import NDArray

from fedsift.studies.attacks.inputs import Numbers, finite
from fedsift.studies.attacks.membership_attack import MembershipAttack


def loss_attack(losses: NDArray[Any]) -> Numbers:
    """Membership scores, -loss; higher is more likely a member.

    Args:
        losses: of the target model, one an example, shape (e,).

    Raises:
        BadInput: `losses` is empty or not finite.
    """
    return -finite("losses", losses)


ATTACK = MembershipAttack(
    "loss", "loss threshold", lambda target, _: loss_attack(target.losses), needs_references=False
)
