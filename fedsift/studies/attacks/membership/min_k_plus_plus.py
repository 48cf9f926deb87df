"""Min-k%++: as min-k%, each token set against all that might have stood there (Zhang et al. 2024, arXiv 2404.02936).

A token's score is its log-probability, less the mean over the vocabulary, by the standard deviation: what is likely
only where everything else is unlikely, too, does not count.
"""

from fedsift.studies.attacks.membership.min_k import lowest
from fedsift.studies.attacks.membership_attack import MembershipAttack

ATTACK = MembershipAttack(
    "min_k_plus_plus",
    "min-k%++",
    lambda target, _: lowest(target.tokens, target.tokens.normalised),
    needs_references=False,
    needs_tokens=True,
)
