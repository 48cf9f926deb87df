"""Time, traffic and energy of clients' devices as a clock counts them that nobody waits for.

What a client does takes as long as its device takes: it receives, trains and sends, and while it does it draws power.
Several do it side by side, so that the slowest decides how long it takes.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Load(NamedTuple):
    """What a client has to do."""

    steps: int  # of the optimiser
    down: int = 0  # bytes that it receives
    up: int = 0  # bytes that it sends


@dataclass(frozen=True)
class Device:
    """What a client has. The defaults are round numbers for a phone, and nothing that anybody has measured."""

    step_seconds: float = 1.0  # an optimiser step
    down: float = 5e6  # bytes a second that it receives
    up: float = 1e6  # and sends
    watts: float = 5.0  # that it draws meanwhile
    available: float = 1.0  # probability that it answers when it is asked
    windows: tuple[tuple[float, float], ...] = ()  # seconds from and until which it is there; () for always

    def seconds(self, load: Load) -> float:
        """How long a load takes."""
        return load.down / self.down + load.steps * self.step_seconds + load.up / self.up

    def there_until(self, moment: float) -> float | None:
        """Until when it is there from a moment on; None where it is not."""
        if not self.windows:
            return float("inf")
        return next((until for start, until in self.windows if start <= moment < until), None)


@dataclass
class Spent:
    """What has been spent so far, over all clients."""

    seconds: float = 0.0  # on the clock
    up: int = 0  # bytes from clients
    down: int = 0  # bytes to clients
    joules: float = 0.0  # of the clients' devices

    def add(self, other: "Spent") -> None:
        """Go on: one after the other."""
        self.seconds += other.seconds
        self.up += other.up
        self.down += other.down
        self.joules += other.joules
