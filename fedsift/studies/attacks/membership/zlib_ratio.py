"""Membership by the loss beside what zlib makes of the text (Carlini et al. 2021, arXiv 2012.07805).

A text that repeats itself is easy for every model, and for zlib as well; what only this model finds easy was learnt.
"""

from fedsift.studies.attacks.membership_attack import MembershipAttack

ATTACK = MembershipAttack(
    "zlib",
    "zlib",
    lambda target, _: -target.losses / target.compressed_bytes,
    needs_references=False,
    needs_tokens=True,
)
