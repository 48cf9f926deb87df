"""Membership by how far the loss fell below the base model's, which was tuned on nobody (arXiv 2012.07805)."""

from fedsift.studies.attacks.membership_attack import MembershipAttack

ATTACK = MembershipAttack(
    "reference", "loss below M0's", lambda target, _: target.base_losses - target.losses, needs_references=False
)
