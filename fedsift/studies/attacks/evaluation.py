"""Attacks on clients that leave: on the model before the removal, after it, and in the run that never had them.

A removal that is exact leaves an attacker exactly what the oracle leaves it. So both are computed, each on its own way
(the oracle sums up or trains on those who stay, from nothing), and compared number by number. An approximate method is
judged by how far it is from its oracle; that an attack fails on it says little.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fedsift.core.examples import Row
from fedsift.core.round_schedule import Schedule
from fedsift.protocol.compared_method import ComparedMethod
from fedsift.strategies.registry import SIFT_MASKS, SIFT_MERGE, compared_named
from fedsift.studies.attacks.canary import canary
from fedsift.studies.attacks.evidence import Evidence
from fedsift.studies.attacks.measure_membership import membership
from fedsift.studies.attacks.measure_memory import memory
from fedsift.studies.attacks.method_subjects import MethodsUnderAttack
from fedsift.studies.attacks.probes import canary_exposure, canary_row, relearning
from fedsift.studies.attacks.reconstruction import reconstruction, victim_among
from fedsift.studies.attacks.sift_masks_subjects import SiftMasksUnderAttack
from fedsift.studies.attacks.subjects import Parties
from fedsift.studies.training_cache import TrainingCache

ON_CENTRAL_FT = ("central-ft", "task-negation", "negmerge", "msa")  # what is attacked where nothing else is said
IN_ROUNDS = ("fedavg", "fedavg+npo")  # and with these where there are rounds


def evaluate_attacks(
    cache: TrainingCache,
    members: Sequence[str],
    leavers: Sequence[str],
    non_members: Sequence[str],
    names: Sequence[str] = ON_CENTRAL_FT,
    schedule: Schedule | None = None,
    references: int = 16,
    pooled_references: int = 16,
    pooled_steps: int = 4,
    relearning_steps: int = 20,
) -> dict[str, Any]:
    """Attack SIFT-Masks and any other methods; "attacks" of an opt-out scenario's result.

    The leavers' training rows are told from those of clients that never joined. LiRA and RMIA have reference models of
    random halves of members and non-members, each half with its other half. Those of SIFT-Masks are sums of
    contributions that are trained once; those of Central FT are trainings; methods in rounds have none. A quarter of
    the non-members is RMIA's population, which no model has seen.

    Args:
        cache: with workers; it knows all the clients.
        members: everybody who was merged before the removal, the leavers among them.
        leavers: members that leave as one batch.
        non_members: clients that never join, 2 or more.
        names: of the methods beside SIFT-Masks.
        schedule: of those that train in rounds.
        references: reference models of SIFT-Masks, an even number from 4 on.
        pooled_references: those of the other methods.
        pooled_steps: a pooled training takes so many steps for each of its clients, 800 at most.
        relearning_steps: to try, at most.

    Returns:
        "examples" and "leavers" counted; rows of "membership" attacks and of "memory" metrics; "relearning",
        "canaries" (in language modelling; else empty), "reconstruction" of a stayer, and the "difference" attack on
        the sums.

    Raises:
        BadInput: too few clients, one in two parts, or a number of references that is odd or too small.
    """
    parties = Parties.of(members, leavers, non_members)
    seed = cache.config.seed
    halves, pooled_halves = parties.halves(references, seed), parties.halves(pooled_references, seed)
    rows = {client_id: cache.train_examples(client_id) for client_id in {*parties.members, *parties.asked}}
    kinds, victim = compared_among(names), victim_among(parties, seed)
    sift_masks = SiftMasksUnderAttack(cache, parties, victim=victim)
    others = MethodsUnderAttack(cache, parties, kinds, pooled_steps, schedule, victim=victim)
    subjects = sift_masks.subjects(halves) + others.subjects(pooled_halves)
    evidence = Evidence(cache, parties, rows)
    known = [(subject, evidence.of_states(subject)) for subject in subjects]
    return {
        "examples": sum(len(rows[each]) for each in parties.leavers),
        "leavers": len(parties.leavers),
        "membership": [row for each in known for row in membership(evidence, *each)],
        "memory": [row for each in known for row in memory(evidence, *each)],
        "relearning": [relearning(cache, each, parties.leavers, rows, relearning_steps) for each in subjects],
        "canaries": _canaries(cache, parties, rows, kinds, pooled_steps, schedule),
        "reconstruction": [
            row
            for each in subjects
            if victim is not None and each.without
            for row in reconstruction(cache, parties, each, victim, rows[victim])
        ],
        "difference": sift_masks.difference(),
    }


def compared_among(names: Sequence[str]) -> list[type[ComparedMethod]]:
    """The methods of these names beside SIFT-Masks, each once."""
    return [compared_named(name) for name in dict.fromkeys(names) if name not in (SIFT_MASKS, SIFT_MERGE)]


def _canaries(
    cache: TrainingCache,
    parties: Parties,
    rows: Mapping[str, Sequence[Row]],
    kinds: Sequence[type[ComparedMethod]],
    pooled_steps: int,
    schedule: Schedule | None,
) -> list[dict[str, Any]]:
    """The same once more, with a canary among the rows of each leaver."""
    if not cache.config.model_settings.has_free_answers:
        return []
    planted = {each: canary(cache.config.seed, each, 0) for each in parties.leavers}
    with_canary = {each: [*rows[each], canary_row(each, planted[each].secret)] for each in planted}
    stand_ins = {each: f"{each} with a canary" for each in planted}
    cache.add_clients({stand_ins[each]: held for each, held in with_canary.items()})
    subjects = SiftMasksUnderAttack(cache, parties, stand_ins).subjects([])
    subjects += MethodsUnderAttack(cache, parties, kinds, pooled_steps, schedule, stand_ins).subjects([])
    return [canary_exposure(cache, each, planted) for each in subjects]
