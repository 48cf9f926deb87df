"""Any method of `fedsift compare` under attack, beside its own retrained reference.

It is played as there, in the same frame (`ComparedMethod`): all join, then the leavers leave as one batch. The
reference is the same method with those who stay alone, from trainings of its own. Reference models of membership
attacks are the method on other clients, with nothing unlearned in them. Methods that train in rounds have none, since
each would be all rounds again; nor have those that serve clients models of their own.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import ComparedMethod, PoolTraining, Terms
from fedsift.strategies.central_ft import CentralFineTuning
from fedsift.strategies.families.negated_central_ft import NegatedCentralFineTuning
from fedsift.studies.attacks.subjects import (
    AFTER,
    BEFORE,
    ORACLE,
    OUTSIDER,
    SERVER,
    Parties,
    Reference,
    Served,
    Subject,
)
from fedsift.studies.cached_clients import CachedClients
from fedsift.studies.training_cache import TrainingCache

Kind = type[ComparedMethod]
_CENTRAL = (CentralFineTuning, NegatedCentralFineTuning)  # of one pool, which is trained alike


class MethodsUnderAttack:
    """States of methods with any members, from trainings that are kept."""

    def __init__(
        self,
        cache: TrainingCache,
        parties: Parties,
        kinds: Sequence[Kind],
        pooled_steps: int,
        schedule: Schedule | None = None,
        stand_ins: Mapping[str, str] | None = None,
        victim: str | None = None,
    ) -> None:
        """Train nothing yet.

        Args:
            cache: trains and scores.
            parties: of the attack.
            kinds: the methods.
            pooled_steps: a pool takes so many steps for each of its clients, up to the most that a pool takes.
            schedule: of the methods that train in rounds.
            stand_ins: leaver -> a client of the cache whose rows it has instead of its own.
            victim: a stayer without whom the others are to play as well.
        """
        self._victim = victim
        self._layout, self._parties, self._kinds = cache.layout, parties, kinds
        # The oracle shares no training in pools or rounds with what is held against it.
        self._clients, self._oracles = (
            CachedClients(cache, 0, pooled_steps, schedule, stand_ins, kept) for kept in ("rounds", "rounds of oracles")
        )
        self._references: dict[Kind, list[Reference]] = {}

    def subjects(self, halves: Sequence[Collection[str]]) -> list[Subject]:
        """The methods, each with its states; `halves`: clients of the reference models."""
        if any(issubclass(kind, _CENTRAL) for kind in self._kinds):  # All pools side by side.
            pools = [PoolTraining([sorted(each)]) for each in (self._parties.members, *halves)]
            deque(self._clients.pooled(pools), maxlen=0)
        return [self._subject(kind, halves) for kind in self._kinds]

    def _subject(self, kind: Kind, halves: Sequence[Collection[str]]) -> Subject:
        parties, method = self._parties, kind(self._layout)
        states: dict[str, Served] = {}
        for state, joining, leaving in ((BEFORE, parties.members, ()), (AFTER, (), parties.leavers)):
            method.change(self._clients, set(joining), set(leaving))
            method.choose(self._clients)
            states[state] = self._clients.served(method)
        states[ORACLE] = self._played(kind, parties.stayers, method.chosen, self._oracles)
        if _serves_one(states[BEFORE], [*parties.members, *parties.strangers]):
            references = [] if kind.in_rounds else self._of_halves(kind, halves, method.chosen)
            return Subject(method.title, states, references, True, OUTSIDER, self._without(kind, method.chosen))
        return Subject(method.title, {state: self._hosted(each) for state, each in states.items()}, [], False, SERVER)

    def _played(self, kind: Kind, members: Iterable[str], chosen: Terms, clients: CachedClients) -> Served:
        """What a method serves whose members these are, and were from the first."""
        method = kind(self._layout, chosen)
        method.change(clients, set(members), set())
        return clients.served(method)

    def _without(self, kind: Kind, chosen: Terms) -> dict[str, Served]:
        if self._victim is None:
            return {}
        everybody, staying = (
            self._played(kind, {*members} - {self._victim}, chosen, self._clients)
            for members in (self._parties.members, self._parties.stayers)
        )
        return {BEFORE: everybody, AFTER: staying, ORACLE: staying}

    def _hosted(self, served: Served) -> Served:
        """Rows of clients that never joined are looked for in what leavers are served."""
        hosts = self._parties.hosts()
        return lambda each: served(hosts.get(each, each))

    def _of_halves(self, kind: Kind, halves: Sequence[Collection[str]], chosen: Terms) -> list[Reference]:
        trains: Kind = CentralFineTuning if issubclass(kind, _CENTRAL) else kind
        if trains not in self._references:
            self._references[trains] = [
                Reference(half, _opened(self._played(trains, half, chosen, self._clients))) for half in halves
            ]
        return self._references[trains]


def _opened(served: Served) -> Callable[[], Served]:
    return lambda: served


def _serves_one(served: Served, clients: Sequence[str]) -> bool:
    """Whether all clients are served the same."""
    first = served(clients[0])
    return all(_same(served(each), first) for each in clients[1:])


def _same(some: Sequence[Vector], others: Sequence[Vector]) -> bool:
    return len(some) == len(others) and all(
        one is other or np.array_equal(one, other) for one, other in zip(some, others, strict=True)
    )
