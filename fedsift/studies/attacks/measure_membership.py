"""Membership attacks on a method: are the leavers' rows told from those of clients that never joined?"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedsift.core.examples import answer_of
from fedsift.core.registration import registered
from fedsift.learning.token_scores import TokenScores
from fedsift.studies.attacks.evidence import EXAMPLES, POPULATION, Evidence
from fedsift.studies.attacks.inputs import Numbers
from fedsift.studies.attacks.membership_attack import Language, MembershipAttack, References, Target
from fedsift.studies.attacks.roc import paired_differences, roc
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, Subject
from fedsift.studies.recall import Recall

# First those that need no reference models, then by name.
ATTACKS = sorted(
    registered("fedsift.studies.attacks.membership", MembershipAttack).values(),
    key=lambda attack: (attack.needs_references, attack.name),
)


def membership(
    evidence: Evidence, subject: Subject, states: Mapping[str, Mapping[str, Recall]]
) -> list[dict[str, Any]]:
    """A row of the result for each attack: what it finds in each state, and how far that is from the oracle.

    Args:
        evidence: asks the reference models.
        subject: the method; without references it is attacked by what the model alone says.
        states: what is known of each.
    """
    parties = evidence.parties
    looked_for, examples = (
        len(evidence.rows_of(clients)) for clients in (parties.leavers, [*parties.leavers, *parties.strangers])
    )
    references = _references(evidence, subject, examples)
    base = evidence.of_base.losses[:examples]
    answers = map(answer_of, evidence.asked_rows[:examples] if evidence.of_language else ())
    compressed = [len(zlib.compress(answer.encode())) for answer in answers]
    targets = {state: _target(parts, base, compressed) for state, parts in states.items()}
    scores = {
        attack: {state: attack.scores(target, references) for state, target in targets.items()}
        for attack in ATTACKS
        if (subject.references or not attack.needs_references) and (evidence.of_language or not attack.needs_tokens)
    }

    def sides(found: Numbers) -> tuple[Numbers, Numbers]:
        return found[:looked_for], found[looked_for:]

    return [
        {"method": subject.title, "observer": subject.observer, "metric": attack.name, "title": attack.title}
        | {state: roc(*sides(found)).to_json() for state, found in by_state.items()}
        | {
            "difference": {
                each: paired_differences(sides(by_state[each]), sides(by_state[ORACLE]), evidence.seed)
                for each in (BEFORE, AFTER)
            }
        }
        | {"equals_oracle": bool(np.array_equal(by_state[AFTER], by_state[ORACLE]))}
        for attack, by_state in scores.items()
    ]


def _references(evidence: Evidence, subject: Subject, examples: int) -> References:
    asked = evidence.parties.asked
    counts = [len(evidence.rows[each]) for each in asked]
    losses = [each.losses for each in evidence.of_references(subject)]
    of_all = np.array(losses).reshape(len(losses), sum(counts))
    members = [[client_id in each.members for client_id in asked] for each in subject.references]
    seen = np.repeat(np.array(members, np.bool_).reshape(len(members), len(counts)), counts, axis=1)
    return References(of_all[:, :examples], of_all[:, examples:], seen[:, :examples])


def _target(parts: Mapping[str, Recall], base_losses: Numbers, compressed: Sequence[int]) -> Target:
    found = [parts[part] for part in EXAMPLES if part in parts]
    tokens = [each.tokens for each in found if each.tokens]
    language = Language(TokenScores.joined(tokens), np.array(compressed, np.float64)) if tokens else None
    losses = np.concatenate([each.losses for each in found])
    return Target(losses, parts[POPULATION].losses, base_losses, language)
