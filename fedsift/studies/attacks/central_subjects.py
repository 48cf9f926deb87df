"""Central FT under attack, which trains again to remove, and what subtracts from it: task negation, NegMerge and MSA.

Reference models are Central FT on other clients, for the approximate methods as well: nothing has been unlearned in
them.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from fedsift.core.examples import Row
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import ComparedMethod, PoolTraining
from fedsift.strategies.central_ft import CentralFineTuning
from fedsift.strategies.msa import Msa
from fedsift.strategies.negmerge import NegMerge
from fedsift.strategies.task_negation import TaskNegation
from fedsift.studies.attacks.subjects import (
    AFTER,
    BEFORE,
    ORACLE,
    OUTSIDER,
    STATES,
    Parties,
    Reference,
    Subject,
    always,
)
from fedsift.studies.cached_clients import CachedClients
from fedsift.studies.training_cache import TrainingCache

_METHODS: tuple[type[ComparedMethod], ...] = (CentralFineTuning, TaskNegation, NegMerge, Msa)


class CentralUnderAttack:
    """Pooled trainings of any clients, and what the approximate methods make of them."""

    def __init__(
        self, cache: TrainingCache, parties: Parties, rows: Mapping[str, Sequence[Row]], client_steps: int
    ) -> None:
        """Train nothing yet.

        Args:
            cache: trains and scores.
            parties: of the attack.
            rows: of members and strangers, to train on.
            client_steps: a pool takes so many steps for each of its clients, up to the most that a pool takes.
        """
        self._layout, self._parties = cache.layout, parties
        # The oracle shares no training with what is held against it.
        self._clients, self._oracles = (CachedClients(cache, client_steps, rows.__getitem__) for _ in range(2))

    def subjects(self, halves: Sequence[Collection[str]]) -> list[Subject]:
        """Central FT, and the approximate methods on top of it; `halves`: clients of the reference models."""
        pools = [self._parties.members, *map(sorted, halves)]
        trained = dict(self._clients.pooled([PoolTraining([pool]) for pool in pools]))
        references = [
            Reference(half, partial(always, trained[number].checkpoints[0])) for number, half in enumerate(halves, 1)
        ]
        oracle = CentralFineTuning(self._layout)
        oracle.change(self._oracles, set(self._parties.stayers), set())
        return [self._subject(method(self._layout), oracle, references) for method in _METHODS]

    def _subject(self, method: ComparedMethod, oracle: ComparedMethod, references: Sequence[Reference]) -> Subject:
        states: dict[str, Vector] = {ORACLE: oracle.shared()["0"]}
        for state, joining, leaving in ((BEFORE, self._parties.members, ()), (AFTER, (), self._parties.leavers)):
            method.change(self._clients, set(joining), set(leaving))
            states[state] = method.shared()["0"]
        return Subject(method.title, {state: always(states[state]) for state in STATES}, references, True, OUTSIDER)
