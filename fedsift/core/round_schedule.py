"""Who is asked in a round, who answers in time, and how long the round takes; known before anybody trains.

Who is asked, and who drops out, derives from the root seed, the round and the client's id alone. Whether an answer
comes in time, the clients' devices say (`fedsift.core.virtual_clock`). So the same members make the same rounds,
whatever ran before, and however many workers run them.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from fedsift.core.seeds import derive_seed
from fedsift.core.virtual_clock import Device, Load, Spent


@dataclass(frozen=True)
class Played:
    """A round."""

    counted: list[str]  # clients whose answers count, sorted
    late: list[str]  # that came after the round had closed, and do not count
    dropped: list[str]  # that were asked and never answered
    spent: Spent


@dataclass(frozen=True)
class Schedule:
    """Of a federation that trains in rounds."""

    steps: Callable[[str], int]  # that a client trains in a round
    seed: int = 0
    rounds: int = 0
    sample: float = 1.0  # share of the members that are asked in a round
    stragglers: float = 0.0  # share of these for whom the round does not wait
    dropouts: float = 0.0  # probability that a client which was asked is not heard of again
    deadline: float = math.inf  # seconds after which a round closes
    device: Callable[[str], Device] = field(default=lambda _: Device())

    def play(
        self, number: int, members: Collection[str], began: float, down: int, up: int, share: float = 1.0
    ) -> Played:
        """A round of some members.

        The round closes when all have answered but the last `stragglers`, at the latest at the deadline. Who answers
        later has trained until then for nothing. A client that drops out has received the model, and no more; the
        server hears of it at once.

        Args:
            number: of the round, from 1 on.
            members: who can be asked.
            began: seconds on the clock.
            down: bytes that each who is asked receives.
            up: bytes that each sends.
            share: of a client's steps that this round takes.
        """
        devices = {client_id: self.device(client_id) for client_id in members}
        waited = self._until_somebody_is_there(devices.values(), began)
        moment = began + waited
        there = {each: device for each, device in devices.items() if device.there_until(moment) is not None}
        asked = self.asked(number, there)
        spent, finished, dropped = Spent(waited, down=down * len(asked)), dict[str, float](), list[str]()
        for client_id in sorted(asked):
            device = there[client_id]
            seconds = device.seconds(Load(self.local_steps(client_id, share), down, up))
            until = device.there_until(moment) or 0.0
            gone = 1 - device.available if device.available < 1 else self.dropouts
            if self._drawn("drop-out", number, client_id) < gone or moment + seconds > until:
                dropped.append(client_id)
                spent.joules += device.watts * down / device.down
            else:
                finished[client_id] = seconds
        first = sorted(finished, key=lambda each: (finished[each], self._drawn("straggler", number, each), each))
        waits_for = max(1, len(first) - round(self.stragglers * len(asked))) if first else 0
        counted = sorted(each for each in first[:waits_for] if finished[each] <= self.deadline)
        late = sorted(finished.keys() - counted)
        closed = max((finished[each] for each in counted), default=0.0)
        if any(finished[each] > self.deadline for each in first[:waits_for]):
            closed = self.deadline
        spent.seconds += closed
        spent.up = up * len(counted)
        spent.joules += sum(there[each].watts * min(finished[each], closed) for each in sorted(finished))
        return Played(counted, late, dropped, spent)

    def asked(self, number: int, members: Collection[str]) -> list[str]:
        """Those members whose hashes with the seed and the round are the smallest, `sample` of them."""
        order = sorted(members, key=lambda each: (derive_seed(self.seed, f"sample {number}", each), each))
        return order[: max(1, round(self.sample * len(order)))]

    def local_steps(self, client_id: str, share: float = 1.0) -> int:
        """How many steps a client takes in a round that takes a share of them."""
        return max(1, round(share * self.steps(client_id)))

    def trained(self, steps: Mapping[str, int], sent: Mapping[str, int], down: int = 0) -> Spent:
        """What it takes when clients train side by side, outside of rounds.

        Args:
            steps: of each client.
            sent: bytes, of each client.
            down: bytes that each receives.
        """
        spent = Spent(up=sum(sent.values()), down=down * len(steps))
        for client_id in sorted(steps):
            device = self.device(client_id)
            seconds = device.seconds(Load(steps[client_id], down, sent[client_id]))
            spent.seconds = max(spent.seconds, seconds)
            spent.joules += device.watts * seconds
        return spent

    def _drawn(self, purpose: str, number: int, client_id: str) -> float:
        """A number from 0 to below 1, for a client in a round."""
        return (derive_seed(self.seed, f"{purpose} {number}", client_id) >> 11) * 2.0**-53

    def _until_somebody_is_there(self, devices: Collection[Device], moment: float) -> float:
        """Seconds until the first window opens in which a client is there; 0 where none opens any more."""
        if any(device.there_until(moment) is not None for device in devices):
            return 0.0
        opening = [start for device in devices for start, _ in device.windows if start > moment]
        return min(opening) - moment if opening else 0.0
