"""One progress bar per phase, with clients/s and time left, and the seconds that each phase took.

Where nobody watches, as in a pipe or a log file, a line at the end of each phase, and one every 30 seconds before.
"""

import threading
import time
import warnings
from typing import Self

from rich import progress
from rich.console import Console
from rich.text import Text

from fedsift.core.errors import visible
from fedsift.protocol.messages import EVALUATE, EVALUATE_SERVED, FINE_TUNE, FORGET, LOCAL, POOLED, QUERY, TRAIN, VOTE

STEP = "step"  # no message: one of many rounds, whose messages then have no bars of their own

# The mask request is part of evaluation: it has no bar of its own.
_TITLES = {
    STEP: "steps",
    QUERY: "query",
    TRAIN: "train",
    FINE_TUNE: "fine-tune",
    LOCAL: "round",
    POOLED: "fine-tune",
    FORGET: "forget",
    VOTE: "vote",
    EVALUATE: "evaluate",
    EVALUATE_SERVED: "evaluate",
}


_LINE_SECONDS = 30.0  # between two lines of a phase


def _speed(task: progress.Task) -> str:
    speed = task.finished_speed or task.speed
    return f"{speed:.1f} clients/s" if speed else "- clients/s"


class _ClientsPerSecond(progress.ProgressColumn):
    def render(self, task: progress.Task) -> Text:
        return Text(_speed(task), style="progress.data.speed")


class PhaseBars:
    """A `ray_grid.Progress` that draws bars on a console, if there is one, and adds up seconds by phase."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(quiet=True, force_jupyter=False, force_terminal=False)
        self.seconds: dict[str, float] = {}
        self.prefix = ""
        self._status = console.status("starting workers")
        columns = (progress.TextColumn("{task.description:<16}"), progress.BarColumn(), progress.MofNCompleteColumn())
        speed = (_ClientsPerSecond(), progress.TimeRemainingColumn())
        self._bars = progress.Progress(*columns, *speed, console=console)
        self._tasks: dict[str, progress.Task] = {}  # the last bar of each kind of message: batches may be nested
        self._phase = ""
        self._clock = time.perf_counter()
        self.console = console
        self._lines = not (console.quiet or console.is_terminal or console.is_jupyter)
        self._over = threading.Event()

    def warn(self, warning: str) -> None:
        """Print a warning in a line of its own, if there is one; without a console it is one of Python's."""
        if warning and self.console.quiet:
            warnings.warn(visible(warning), stacklevel=2)
        elif warning:
            self.tell(f"warning: {warning}", style="yellow")

    def tell(self, line: str, style: str = "") -> None:
        """Print a line of its own, if there is a console."""
        self.console.print(Text(visible(line), style=style), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a line of its own, if there is one."""
        if text:
            self.console.print(Text(text), soft_wrap=True)

    def __enter__(self) -> Self:
        """From here on something is shown: enter when the input is known to be good."""
        self._phase, self._clock = "start", time.perf_counter()
        if self._lines:
            self._over.clear()
            threading.Thread(target=self._tell, daemon=True).start()
        else:
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or self._phase != "start":  # Of a start that fails, what is said is why.
            self._close()
        self._over.set()
        self._status.stop()
        if self._bars.live.is_started:  # Else it would print an empty line.
            self._bars.stop()

    def begin(self, message_type: str, total: int) -> None:
        """Open the bar of a phase, without an end where `total` is 0. The first one replaces the start-up line."""
        title = _TITLES.get(message_type)
        if title is None:
            return
        self._close()
        self._status.stop()
        if not self._lines:
            self._bars.start()
        self._bars.add_task(self.prefix + title, total=total or None)
        self._tasks[message_type] = self._bars.tasks[-1]
        self._phase = self.prefix + title

    def advance(self, message_type: str) -> None:
        """Count a reply to a batch of this type; one more than were announced makes them more."""
        if task := self._tasks.get(message_type):
            done = task.completed + 1
            self._bars.update(task.id, completed=done, total=task.total and max(task.total, done))

    def finish(self) -> None:
        """End the last phase: what follows is Ray's shutting down."""
        self._close()
        self._phase = "stop"

    def _close(self) -> None:
        """End the phase and add its seconds up."""
        now = time.perf_counter()
        is_shown = now - self._clock >= 1 or any(task.description == self._phase for task in self._bars.tasks)
        if self._lines and self._phase and is_shown:
            self.console.print(self._line(now), soft_wrap=True, highlight=False)
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._clock
        self._clock = now

    def _tell(self) -> None:
        """Say every so often how far the phase is."""
        while not self._over.wait(_LINE_SECONDS):
            self.console.print(self._line(time.perf_counter()), soft_wrap=True, highlight=False)

    def _line(self, now: float) -> Text:
        """How far the phase is now."""
        parts = [f"{self._phase:<16} {now - self._clock:.0f} s"]
        task = next((each for each in reversed(self._bars.tasks) if each.description == self._phase), None)
        if task is not None:
            parts += [f"{task.completed:.0f}" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}"]
            parts.append(_speed(task))
            if not task.finished:
                left = task.time_remaining
                parts.append("time left unknown" if left is None else f"{left:.0f} s left")
        return Text(", ".join(parts))
