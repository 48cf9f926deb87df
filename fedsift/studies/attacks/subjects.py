"""What is attacked: who plays which part, and what a method serves before a removal, after it, and in the oracle."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fedsift.core.errors import BadInput, counted
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.task_vectors import Vector

BEFORE, AFTER, ORACLE = STATES = ("before", "after", "oracle")
# An outsider sees what is published, a stayer kept that of before; the server also sees what it was sent.
OUTSIDER, STAYER, SERVER = OBSERVERS = ("outsider", "stayer", "server")
LEAST_REFERENCES = 4  # two that have an example and two that have not
_POPULATION_SHARE = 4  # one in so many of those who never joined

# From a client to the task vectors of the models in which its rows are looked for, shape (n,) each. Of several, what is
# found is the mean.
Served = Callable[[str], Sequence[Vector]]


@dataclass(frozen=True)
class Parties:
    """Who plays which part."""

    members: Sequence[str]  # everybody who was merged before the removal, the leavers among them
    leavers: Sequence[str]  # members whose rows are looked for
    strangers: Sequence[str]  # clients that never joined, from whose rows those of the leavers are to be told
    population: Sequence[str]  # further clients that never joined, for RMIA; no model has seen their rows

    @classmethod
    def of(cls, members: Sequence[str], leavers: Sequence[str], non_members: Sequence[str]) -> "Parties":
        """Give a quarter of those who never joined, but at least one, to the population.

        Raises:
            BadInput: a part has nobody to play it, or a client plays two that exclude each other.
        """
        if strays := sorted(set(leavers) - set(members)):
            raise BadInput(f"leaver {strays[0]!r} is no member; only members can be removed")
        if both := sorted(set(non_members) & set(members)):
            raise BadInput(f"client {both[0]!r} is a member; non-members are clients that never join")
        if not leavers or len(leavers) == len(members):
            raise BadInput(
                f"{len(leavers):,} of {counted(len(members), 'member')} leave; attacks need one that "
                "leaves and one that stays"
            )
        if len(non_members) < 2:
            few = counted(len(non_members), "client never joins", "clients never join")
            raise BadInput(
                f"{few}; attacks need at least 2: give --newcomers 2 or more, and play the scenario again where it has "
                "been played"
            )
        others = sorted(non_members)
        kept = max(1, len(others) // _POPULATION_SHARE)
        return cls(sorted(members), sorted(leavers), others[:-kept], others[-kept:])

    @property
    def stayers(self) -> list[str]:
        """The members after the removal."""
        return [client_id for client_id in self.members if client_id not in set(self.leavers)]

    @property
    def asked(self) -> list[str]:
        """Everybody whose rows are scored: leavers, strangers, population."""
        return [*self.leavers, *self.strangers, *self.population]

    def hosts(self) -> dict[str, str]:
        """Client that never joined -> the leaver in whose own model its rows are looked for, where members have one.

        So each of their rows counts once.
        """
        others = [*self.strangers, *self.population]
        return {each: self.leavers[place % len(self.leavers)] for place, each in enumerate(others)}

    def halves(self, number: int, seed: int) -> list[frozenset[str]]:
        """Random halves of members and strangers together, each followed by the other half.

        So every client is in as many of them as not.

        Raises:
            BadInput: `number` is odd, or below 4.
        """
        if number < LEAST_REFERENCES or number % 2:
            raise BadInput(f"references = {number}: give an even number from {LEAST_REFERENCES} on")
        everybody = [*self.members, *self.strangers]
        found = []
        for pair in range(number // 2):
            order = random_order(derive_seed(seed, "attack references", str(pair)), len(everybody))
            half = frozenset(everybody[place] for place in order[: len(everybody) // 2])
            found += [half, frozenset(everybody) - half]
        return found


class Reference(NamedTuple):
    """A reference model."""

    members: Collection[str]  # whose rows it was made from
    open: Callable[[], Served]  # makes it, and says what it serves


@dataclass(frozen=True)
class Subject:
    """A method under attack."""

    title: str  # of the method
    states: Mapping[str, Served]  # what is served in each of the `STATES`
    references: Sequence[Reference]  # the same method with other members; empty where none were made
    one_model: bool  # whether all clients are served the same
    observer: str  # who sees what is served, one of `OBSERVERS`
    # what the members of each state make without one of them (`reconstruction`); empty where nobody asks
    without: Mapping[str, Served] = field(default_factory=dict)


def always(vector: Vector) -> Served:
    """One model for everybody."""
    return lambda _: [vector]
