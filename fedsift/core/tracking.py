"""What a tracker is sent of a run: parameters, scores by round, tables and files. A tracker only listens.

`Tracker` is the interface. `Tracking` is a run's one tracker, or none, and keeps its faults from the run: one that does
not start is an error before anything runs; one that fails later is reported in one line, and the run goes on.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from fedsift.core.errors import BadInput, FedsiftError
from fedsift.core.user_code import errors_as_bad_input

if TYPE_CHECKING:
    import pandas

LOSS = "loss/"  # how the names of losses begin, a client's id behind it


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is made with, before the first step."""

    command: str  # run, compare or optout
    name: str  # that of the run's folder, such as 001; of a repeated run, the whole and the part: 001/seed-2
    parameters: Mapping[str, bool | float | int | str]  # the configuration by its options' names; a list is JSON


@dataclass(frozen=True)
class TrackedOutcome:
    """What a run came to."""

    tables: Mapping[str, "pandas.DataFrame"]  # by name: scores of each client, removals, and what else the command has
    files: Mapping[str, Path]  # name within the run's folder -> where it is now; to be read at once, they may move


class Tracker(Protocol):
    """What listens to one run. `--track module:Class` calls the class with a `TrackedRun`.

    Whatever `__init__` raises stops the run before its first step. After that an error is reported once, nothing more
    is logged, and the run goes on to the same result.
    """

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take numbers of a step, as soon as they are known.

        Args:
            step: the round of a run, the step of a scenario, the removals so far of a comparison. Of names that begin
                with `loss/`, an optimiser step of the clients. Under one name, steps only increase.
            numbers: by name, such as `members/served`, with `members/served_low` and `_high`, its 95% interval.
        """

    def finish(self, outcome: TrackedOutcome | None) -> None:
        """Take what the run came to, and close; None where it was stopped or failed."""


TrackerOption = str | Callable[[TrackedRun], Tracker] | None  # a name or module:Class, or what makes a tracker


@dataclass(frozen=True)
class Track:
    """How runs are tracked."""

    name: str  # what the user calls the tracker
    start: Callable[[TrackedRun], Tracker]  # makes a tracker for each run
    losses: bool = False  # whether it is also sent the losses of each client's tuning
    run_name: str = ""  # of the run; its folder's for none


class Tracking:
    """A run's tracker, or none, for the length of a `with` block: at its end the tracker is sent what was found.

    Attributes:
        losses: whether losses are to be logged.
    """

    def __init__(self, track: Track | None, warn: Callable[[str], None]) -> None:
        """Nothing is started yet; `warn` is told in one line what the user has to know."""
        self.losses = track is not None and track.losses
        self._track, self._warn = track, warn
        self._tracker: Tracker | None = None
        self._outcome: TrackedOutcome | None = None
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._tracker is not None:
            self._call("finish", self._outcome if kind is None else None)

    def __bool__(self) -> bool:
        """Whether there is a tracker to be told anything."""
        return self._tracker is not None and not self._failed

    def start(self, command: str, folder: Path, parameters: Mapping[str, Any], leaves: bool) -> None:
        """Make the tracker, once the input is known to be good and before anything runs.

        Args:
            command: as people type it.
            folder: of the run.
            parameters: as of `TrackedRun`.
            leaves: whether somebody is going to leave.

        Raises:
            BadInput: it cannot be made, or has not the methods of a tracker.
        """
        if self._track is None:
            return
        what = f"track {self._track.name}"
        with errors_as_bad_input(what):
            tracker = self._track.start(TrackedRun(command, self._track.run_name or folder.resolve().name, parameters))
        for method in ("log", "finish"):
            if not callable(getattr(tracker, method, None)):
                raise BadInput(f"{what}: {type(tracker).__name__} has no method {method}")
        self._tracker = tracker
        if leaves:
            self._warn(f"{self._track.name} keeps what it is sent of clients that leave: no removal reaches a tracker")

    def log(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """Send numbers of a step; None is left out."""
        if self:
            self._call("log", step, {name: float(value) for name, value in numbers.items() if value is not None})

    def found(self, tables: Mapping[str, "pandas.DataFrame"], files: Mapping[str, Path]) -> None:
        """What the run came to, as of `TrackedOutcome`; it is sent at the end of the block."""
        self._outcome = TrackedOutcome(tables, files)

    def add_files(self, folder: Path, files: Iterable[Path]) -> None:
        """Further files of what the run came to, in its folder."""
        if self._outcome:
            named = {file.relative_to(folder).as_posix(): file for file in files}
            self._outcome = TrackedOutcome(self._outcome.tables, {**self._outcome.files, **named})

    def _call(self, method: str, *arguments: Any) -> None:
        assert self._track is not None
        try:
            with errors_as_bad_input(f"track {self._track.name}: {method}"):
                getattr(self._tracker, method)(*arguments)
        except FedsiftError as error:
            if not self._failed:
                self._warn(f"{error}; nothing more is logged, and the run goes on")
            self._failed = True


NOT_TRACKED = Tracking(None, lambda _: None)
