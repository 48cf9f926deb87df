"""What a scenario costs on the virtual clock: with SIFT-Masks, and with methods that train from scratch in rounds.

Nothing is trained for it: who is asked, who answers in time and how long that takes, the schedule says beforehand. What
those methods score, `fedsift compare` measures.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fedsift.core.round_schedule import Schedule
from fedsift.core.virtual_clock import Spent
from fedsift.protocol.method import EVERY_ROUND
from fedsift.strategies.families.federated_rounds import FederatedRounds
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.optout.step_log import Step

_BYTES = 4  # of a parameter


@dataclass
class OnClock:
    """What a method takes for all changes after the merge."""

    trainings: int  # of clients
    spent: Spent


def on_clock(
    steps: Sequence[Step], schedule: Schedule, parameters: int, own_steps: Callable[[str], int]
) -> dict[str, OnClock]:
    """Title of a method -> its cost; empty without rounds.

    Args:
        steps: of the scenario, the merge first.
        schedule: of the rounds, and the clients' devices.
        parameters: n.
        own_steps: the steps that a client tunes on its own.
    """
    if not schedule.rounds:
        return {}
    # A removal of these is all rounds again; replay goes back to where both runs part.
    exact = [each for each in METHODS.values() if issubclass(each, FederatedRounds) and each.cost is EVERY_ROUND]
    found = {METHODS[SIFT_MASKS].title: OnClock(0, Spent())} | {each.title: OnClock(0, Spent()) for each in exact}
    members = set(steps[0].joined)
    for step in steps[1:]:
        changed = {*step.left, *step.joined}
        if not changed:
            continue
        members = (members | set(step.joined)) - set(step.left)
        sent = dict.fromkeys(changed, step.bytes_up // len(changed))
        _add(found[METHODS[SIFT_MASKS].title], len(changed), schedule.trained(_steps(changed, own_steps), sent))
        for method in exact:
            _add(found[method.title], *_from_scratch(schedule, members, _BYTES * parameters * method.vectors))
    return found


def _from_scratch(schedule: Schedule, members: Collection[str], nbytes: int) -> tuple[int, Spent]:
    """All rounds of some members: trainings that count, and what they take."""
    trainings, spent = 0, Spent()
    for number in range(1, schedule.rounds + 1):
        played = schedule.play(number, members, spent.seconds, nbytes, nbytes)
        trainings += len(played.counted)
        spent.add(played.spent)
    return trainings, spent


def _steps(clients: Collection[str], own_steps: Callable[[str], int]) -> dict[str, int]:
    return {client_id: own_steps(client_id) for client_id in clients}


def _add(total: OnClock, trainings: int, spent: Spent) -> None:
    total.trainings += trainings
    total.spent.add(spent)
