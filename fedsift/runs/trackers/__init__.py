"""The trackers that `--track` knows by name: a file in this folder that defines an `Adapter` is found by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.registration import registered
from fedsift.core.tracking import Track, TrackedRun, Tracker, TrackerOption
from fedsift.core.user_code import find_user_code, is_user_code


@dataclass(frozen=True)
class Adapter:
    """A tracker on top of a library, which is imported when it is started."""

    name: str  # of the option's value, of the extra and of the library
    start: Callable[[TrackedRun], Tracker]


def track_of(given: TrackerOption, losses: bool = False) -> Track | None:
    """How runs are tracked; None for None.

    Args:
        given: a name of this folder, module:Class, or the class itself, or whatever else makes a tracker of a
            `TrackedRun`.
        losses: whether losses are tracked, too.

    Raises:
        BadInput: there is no such tracker, its library is not installed, or losses are asked for without a tracker.
    """
    if given is None:
        if losses:
            raise BadInput("track-losses needs a tracker: give track, too")
        return None
    if not isinstance(given, str):
        if not callable(given):
            raise BadInput(f"track: {given!r} makes no tracker; give its class, or a function that takes a TrackedRun")
        return Track(getattr(given, "__qualname__", type(given).__qualname__), given, losses)
    if is_user_code(given):
        return Track(given, find_user_code("track", given, object), losses)
    adapters = registered("fedsift.runs.trackers", Adapter)
    if given not in adapters:
        raise BadInput(f"{unknown_name('tracker', given, adapters)} (or give module:Class)")
    library = find_spec(given)
    if library is None or library.origin is None:  # The latter is a folder of that name, such as ./wandb.
        raise BadInput(f"{given} is not installed: pip install 'fedsift[{given}]'")
    return Track(given, adapters[given].start, losses)
