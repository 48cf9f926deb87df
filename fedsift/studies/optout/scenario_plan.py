"""From a scenario to an explicit list of steps: who joins, asks to leave and is offline in each."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, repeat

from fedsift.core.errors import BadInput, counted, unknown_name
from fedsift.core.seeds import derive_seed
from fedsift.protocol.messages import Wish
from fedsift.studies.client_script import Misbehaviour
from fedsift.studies.optout.scenario import AT_ONCE, ONE_BY_ONE, Leave, Misbehave, Rejoin, Scenario

JOIN, LEAVE, OFFLINE = Wish.JOIN, Wish.LEAVE, Misbehaviour.OFFLINE

# All clients with a value in a column of the data.
ClientsWith = Callable[[str, str], Sequence[str]]


@dataclass(frozen=True)
class Step:
    """What clients do in one step of their own accord; each field holds client ids, in the order of the clients."""

    join: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A resolved scenario."""

    steps: tuple[Step, ...]  # step 0, in which all clients join, and those after it
    misbehaviour: Mapping[str, Misbehaviour]  # what a client's reruns do; none for who is only offline


def resolve(
    scenario: Scenario, clients: Sequence[str], seed: int, clients_with: ClientsWith, by_influence: Sequence[str] = ()
) -> Plan:
    """Who does what in which step; the same for the same arguments.

    Leaves by id and group stand first. Then, in the order of their steps, numbers and shares are drawn from the seed
    among those who are members in that step and whom nothing else tells to leave later; so are those who rejoin, among
    those who are away. Who misbehaves is drawn among those who leave for good.

    Args:
        scenario: what to resolve.
        clients: all clients of the run.
        seed: of the run.
        clients_with: the groups.
        by_influence: the clients, the most influential first. Before the merge it is empty; any order then shows
            whether the scenario can be played.

    Raises:
        BadInput: it names a client that is not there, asks for more clients than there are, or contradicts itself.
    """
    planner = _Planner(scenario, clients, seed)
    drawn: list[tuple[int, str, Leave | Rejoin]] = []
    for number, leave in enumerate(scenario.leave, start=1):
        place = f"{scenario.source}: [[leave]] {number}"
        if leave.group is not None:
            planner.leave(leave, planner.group(clients_with, leave.group, place), place)
        elif leave.clients:
            planner.leave(leave, planner.known(leave.clients, place), place)
        else:
            drawn.append((leave.from_step, place, leave))
    for number, rejoin in enumerate(scenario.rejoin, start=1):
        drawn.append((rejoin.step, f"{scenario.source}: [[rejoin]] {number}", rejoin))
    for _, place, entry in sorted(drawn, key=lambda each: each[0]):  # Stable: in one step, the order of the file.
        if isinstance(entry, Leave):
            planner.draw_leave(entry, place, by_influence or clients)
        else:
            planner.rejoin(entry, place)
    for number, misbehave in enumerate(scenario.misbehave, start=1):
        planner.misbehave(misbehave, f"{scenario.source}: [[misbehave]] {number}")
    planner.check()
    return planner.plan()


class _Planner:
    """What each client has been told so far."""

    def __init__(self, scenario: Scenario, clients: Sequence[str], seed: int) -> None:
        self._source, self._clients, self._seed = scenario.source, clients, seed
        self._order = {client_id: place for place, client_id in enumerate(clients)}
        self._orders: dict[str, dict[int, str]] = {client_id: {} for client_id in clients}
        self._offline: dict[int, list[str]] = {}
        self._misbehaviour: dict[str, Misbehaviour] = {}

    def known(self, client_ids: Iterable[str], place: str) -> list[str]:
        """Client ids, checked."""
        for client_id in (chosen := list(client_ids)):
            if client_id not in self._orders:
                raise BadInput(f"{place}: {unknown_name('client', client_id, self._clients)}")
        return chosen

    def group(self, clients_with: ClientsWith, group: tuple[str, str], place: str) -> list[str]:
        """The clients of this run with a value in a column."""
        try:
            found = clients_with(*group)
        except BadInput as error:
            raise BadInput(f"{place}: group: {error}") from error
        chosen = sorted((each for each in found if each in self._order), key=self._order.__getitem__)
        if not chosen:
            raise BadInput(f"{place}: no client of this run has {group[1]!r} in column {group[0]!r}")
        return chosen

    def leave(self, leave: Leave, chosen: Sequence[str], place: str) -> None:
        """Tell clients to leave at the entry's pace."""
        for client_id, step in zip(chosen, _paced(leave), strict=False):
            if leave.until and self._members_after(step) <= leave.until:
                return
            self._tell(client_id, step, LEAVE, place)

    def draw_leave(self, leave: Leave, place: str, by_influence: Sequence[str]) -> None:
        """Tell clients to leave that the entry does not name."""
        step = leave.from_step
        free = [each for each in self._clients if self._is_member(each, step) and self._is_free(each, step)]
        if leave.everybody:
            wanted, asked = len(free), "everybody"
        elif leave.share:
            # Decimal shares are no binary fractions: 0.07 * 100 is a little more than 7.
            share = Fraction(str(leave.share))
            wanted, asked = math.ceil(share * len(self._clients)), f"share = {leave.share}"
        elif leave.number:
            wanted, asked = leave.number, f"number = {leave.number}"
        else:
            wanted, asked = leave.most_influential, f"most-influential = {leave.most_influential}"
        if wanted > len(free) or not free:
            few = f"{len(free):,} of {counted(len(self._clients), 'client')}"
            raise BadInput(f"{place}: {asked}: only {few} can be told to leave from step {step} on")
        if leave.most_influential:
            allowed = set(free)
            order = [each for each in by_influence if each in allowed]
        else:
            order = self._drawn(free, place)
        self.leave(leave, order[:wanted], place)

    def rejoin(self, rejoin: Rejoin, place: str) -> None:
        """Tell clients to come back."""
        chosen = self.known(rejoin.clients, place)
        if rejoin.number:
            step = rejoin.step
            away = [each for each in self._clients if not self._is_member(each, step) and self._is_free(each, step)]
            if rejoin.number > len(away):
                raise BadInput(f"{place}: number = {rejoin.number}: only {len(away)} left before step {step}")
            chosen = self._drawn(away, place)[: rejoin.number]
        for client_id in chosen:
            self._tell(client_id, rejoin.step, JOIN, place)

    def misbehave(self, misbehave: Misbehave, place: str) -> None:
        """Let leavers misbehave; those who are offline leave so many steps later."""
        chosen = self.known(misbehave.clients, place)
        if misbehave.number:
            for_good = [each for each, orders in self._orders.items() if [*orders.values()] == [LEAVE]]
            free = [each for each in for_good if not self._misbehaves(each)]
            if misbehave.number > len(free):
                one_or_more = "client leaves for good and does", "clients leave for good and do"
                few = f"only {counted(len(free), *one_or_more)} nothing else wrong"
                raise BadInput(f"{place}: number = {misbehave.number}: {few}")
            chosen = self._drawn(free, place)[: misbehave.number]
        for client_id in chosen:
            if LEAVE not in self._orders[client_id].values():
                raise BadInput(f"{place}: client {client_id!r} does not leave, so it cannot misbehave when it does")
            if self._misbehaves(client_id):
                raise BadInput(f"{place}: client {client_id!r} misbehaves already; one thing for each")
            if misbehave.what == OFFLINE:
                self._go_offline(client_id, misbehave.steps, place)
            else:
                self._misbehaviour[client_id] = misbehave.what

    def check(self) -> None:
        """See that each client leaves and comes back in turn."""
        for client_id, orders in self._orders.items():
            before, member = 0, True
            for step in sorted(orders):
                place = f"{self._source}: client {client_id!r} is"
                if orders[step] == JOIN and member:
                    raise BadInput(f"{place} to rejoin in step {step}, but does not leave before")
                if orders[step] == LEAVE and not member:
                    twice = f"in steps {before} and {step}, without rejoining in between"
                    raise BadInput(f"{place} told to leave twice, {twice}")
                before, member = step, orders[step] == JOIN

    def plan(self) -> Plan:
        """The steps."""
        last = max(max(orders, default=0) for orders in self._orders.values())
        if not last:
            raise BadInput(f"{self._source}: nobody leaves, because of until")
        done: dict[str, dict[int, list[str]]] = {JOIN: {0: list(self._clients)}, LEAVE: {}, OFFLINE: self._offline}
        for client_id, orders in self._orders.items():
            for step, what in orders.items():
                done[what].setdefault(step, []).append(client_id)

        def of(what: str, step: int) -> tuple[str, ...]:
            return tuple(sorted(done[what].get(step, ()), key=self._order.__getitem__))

        steps = tuple(Step(of(JOIN, step), of(LEAVE, step), of(OFFLINE, step)) for step in range(last + 1))
        return Plan(steps, self._misbehaviour)

    def _go_offline(self, client_id: str, steps: int, place: str) -> None:
        orders = self._orders[client_id]
        for step in [step for step, what in sorted(orders.items()) if what == LEAVE]:
            for away in range(step, step + steps):
                self._offline.setdefault(away, []).append(client_id)
            del orders[step]
            late = step + steps
            if any(step < other <= late for other in orders):
                raise BadInput(
                    f"{place}: client {client_id!r} is offline from step {step} on and leaves in {late}, but is told "
                    "something else until then"
                )
            orders[late] = LEAVE

    def _misbehaves(self, client_id: str) -> bool:
        """Whether it misbehaves already."""
        return client_id in self._misbehaviour or any(client_id in each for each in self._offline.values())

    def _tell(self, client_id: str, step: int, what: str, place: str) -> None:
        before = self._orders[client_id].get(step)
        if before is not None:
            twice = f"to {what} twice" if before == what else "to leave and to rejoin"
            raise BadInput(f"{place}: client {client_id!r} is told {twice} in step {step}")
        self._orders[client_id][step] = what

    def _is_member(self, client_id: str, step: int) -> bool:
        """Whether it is a member when a step begins."""
        orders = self._orders[client_id]
        before = [each for each in orders if each < step]
        return not before or orders[max(before)] == JOIN

    def _is_free(self, client_id: str, step: int) -> bool:
        """Whether nothing tells it to do something in a step or later."""
        return max(self._orders[client_id], default=0) < step

    def _members_after(self, step: int) -> int:
        return sum(self._is_member(each, step + 1) for each in self._clients)

    def _drawn(self, client_ids: Iterable[str], place: str) -> list[str]:
        """In an order drawn from the seed; each entry of the scenario has its own."""
        entry = place.removeprefix(self._source)
        return sorted(client_ids, key=lambda each: derive_seed(self._seed, f"scenario{entry}", each))


def _paced(leave: Leave) -> Iterator[int]:
    """The step of the first, second, third, ... client of an entry."""
    if leave.pace == AT_ONCE:
        return repeat(leave.from_step)
    return (leave.from_step + place // (1 if leave.pace == ONE_BY_ONE else leave.batch) for place in count())
