"""Membership attacks on a method: are the leavers' rows told from those of clients that never joined?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.examples import Row
from fedsift.core.registration import registered
from fedsift.core.task_vectors import Vector
from fedsift.studies.attacks.inputs import Numbers
from fedsift.studies.attacks.membership_attack import MembershipAttack, Models, References
from fedsift.studies.attacks.roc import paired_differences, roc
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, Parties, Served, Subject
from fedsift.studies.training_cache import TrainingCache

# First those that need no reference models, then by name.
ATTACKS = sorted(
    registered("fedsift.studies.attacks.membership", MembershipAttack).values(),
    key=lambda attack: (attack.needs_references, attack.name),
)


def membership(
    cache: TrainingCache, subject: Subject, parties: Parties, rows: Mapping[str, Sequence[Row]]
) -> list[dict[str, Any]]:
    """A row of the result for each attack: what it finds in each state, and how far that is from the oracle.

    Args:
        cache: scores.
        subject: the method; without references it is attacked by the loss alone.
        parties: of the attack.
        rows: of leavers, strangers and population.
    """
    losses = _losses(cache, subject, parties, rows)
    counts = [len(rows[client_id]) for client_id in parties.asked]
    looked_for = sum(counts[: len(parties.leavers)])
    examples = sum(counts) - sum(len(rows[client_id]) for client_id in parties.population)
    of_references = [losses[f"reference {number}"] for number in range(len(subject.references))]
    reference = np.array(of_references).reshape(len(of_references), sum(counts))
    members = [[client_id in each.members for client_id in parties.asked] for each in subject.references]
    seen = np.repeat(np.array(members, np.bool_).reshape(len(members), len(counts)), counts, axis=1)[:, :examples]
    references = References(reference[:, :examples], reference[:, examples:], seen)
    targets = {state: Models(losses[state][:examples], losses[state][examples:]) for state in subject.states}
    scores = {
        attack: {state: attack.scores(target, references) for state, target in targets.items()}
        for attack in ATTACKS
        if subject.references or not attack.needs_references
    }
    seed = cache.config.seed

    def sides(found: Numbers) -> tuple[Numbers, Numbers]:
        return found[:looked_for], found[looked_for:]

    return [
        {"method": subject.title, "observer": subject.observer, "attack": attack.name, "title": attack.title}
        | {state: roc(*sides(found)).to_json() for state, found in by_state.items()}
        | {
            "difference": {
                each: paired_differences(sides(by_state[each]), sides(by_state[ORACLE]), seed)
                for each in (BEFORE, AFTER)
            }
        }
        | {"equals_oracle": bool(np.array_equal(by_state[AFTER], by_state[ORACLE]))}
        for attack, by_state in scores.items()
    ]


def _losses(
    cache: TrainingCache, subject: Subject, parties: Parties, rows: Mapping[str, Sequence[Row]]
) -> dict[str, NDArray[np.float64]]:
    """State, or "reference 0", "reference 1", ... -> the losses of all rows, in the order of who is asked."""
    groups = [parties.asked] if subject.one_model else [[client_id] for client_id in parties.asked]
    models = [*subject.states, *(f"reference {number}" for number in range(len(subject.references)))]

    def requests() -> Iterator[tuple[str, Vector, list[Row]]]:
        for state, served in subject.states.items():
            yield from of_model(state, served)
        for number, reference in enumerate(subject.references):
            yield from of_model(f"reference {number}", reference.open())

    def of_model(name: str, served: Served) -> Iterator[tuple[str, Vector, list[Row]]]:
        for place, group in enumerate(groups):
            yield f"{name} {place}", served(group[0]), [row for client_id in group for row in rows[client_id]]

    found = cache.example_losses(requests(), len(models) * len(groups))
    return {name: np.concatenate([found[f"{name} {place}"] for place in range(len(groups))]) for name in models}
