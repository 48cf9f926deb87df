"""result.json of `fedsift optout`, read and checked, and what follows from it."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from fedsift.core.errors import BadInput

# From good to bad; of what the file says and what its steps say, the worse holds.
VERDICTS = ("proven", "refused", "not proven")

_KEYS = (
    "scenario",
    "config",
    "metric",
    "tuned_parameters",
    "clients",
    "held_out",
    "environment",
    "server_bytes",
    "mask_bytes_mean",
    "upload_bytes_mean",
    "dense_bytes",
    "steps",
    "costs",
    "storage_bytes",
    "removals",
    "attacks",
    "verdict",
    "seconds",
)
_STEP_KEYS = (
    "step",
    "members",
    "asked",
    "left",
    "joined",
    "refused",
    "offline",
    "failures",
    "state_digest",
    "same_as_incremental",
    "same_as_full",
    "trainings",
    "steps_retrained",
    "bytes_up",
    "seconds",
    "scores",
)

# What neither XML nor UTF-8 can hold: control characters but tab, newline and return; surrogates; non-characters.
_UNWRITABLE = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Outcome:
    """A played scenario. `told` is result.json; its first step is the merge."""

    told: dict[str, Any]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps, the merge first."""
        steps: list[dict[str, Any]] = self.told["steps"]
        return steps

    @cached_property
    def unlearned(self) -> list[int]:
        """Removals up to and with each step."""
        return list(accumulate(len(step["left"]) for step in self.steps))

    @cached_property
    def left(self) -> list[str]:
        """Who ever left, each once, in order."""
        return list(dict.fromkeys(client for step in self.steps for client in step["left"]))

    @cached_property
    def gone(self) -> list[str]:
        """Who left and has not come back, in order."""
        gone: dict[str, None] = {}
        for step in self.steps:
            gone |= dict.fromkeys(step["left"])
            for client in step["joined"]:
                gone.pop(client, None)
        return list(gone)

    @cached_property
    def came_back(self) -> list[str]:
        """Who left and is a member again."""
        return [client for client in self.left if client not in set(self.gone)]

    @cached_property
    def newcomers(self) -> list[str]:
        """Who joined after the merge without having left before, each once, in order."""
        left: set[str] = set()
        found: dict[str, None] = {}
        for step in self.steps[1:]:
            left |= set(step["left"])
            found |= dict.fromkeys(client for client in step["joined"] if client not in left)
        return list(found)

    @cached_property
    def refusals(self) -> list[tuple[int, str, str]]:
        """Step, client and reason of each refused removal."""
        found = {(step["step"], client): why for step in self.steps for client, why in step["refused"].items()}
        for removal in self.told["removals"]:
            if removal["verdict"] == "REFUSED":
                found.setdefault((removal["step"], removal["client"]), removal["reason"])
        return [(step, client, why) for (step, client), why in sorted(found.items())]

    @cached_property
    def still_in(self) -> dict[str, str]:
        """Who asked to leave and is in the server's state all the same, and why."""
        found: dict[str, str] = {}
        refused = {(step, client): why for step, client, why in self.refusals}
        for step in self.steps:
            for client in step["asked"]:
                away = "it was away" if client in step["offline"] else "its removal did not come to an end"
                found[client] = step["failures"].get(client, away)
            found |= {client: why for (number, client), why in refused.items() if number == step["step"]}
            for client in step["left"]:
                found.pop(client, None)
        return found

    @cached_property
    def differing(self) -> list[int]:
        """Steps after which an oracle's state is another."""
        return [step["step"] for step in self.steps if not step["same_as_incremental"] or step["same_as_full"] is False]

    @cached_property
    def verdict(self) -> str:
        """One of `VERDICTS`: the worse of what the file says and what its steps say."""
        found = "not proven" if self.differing else "refused" if self.refusals else "proven"
        return max((found, str(self.told["verdict"])), key=VERDICTS.index)

    @property
    def costs(self) -> dict[str, list[int]]:
        """Title of each method -> client trainings after the merge, up to each step. The merge is left out."""
        return {title: [each - totals[0] for each in totals] for title, totals in self.told["costs"].items()}

    @cached_property
    def steps_retrained(self) -> int:
        """Optimiser steps of all removals."""
        return sum(int(step["steps_retrained"]) for step in self.steps[1:])

    @cached_property
    def steps_of_everybody(self) -> int:
        """Optimiser steps if, after each step in which somebody left, all who stayed had trained again."""
        stayed = (int(step["members"]) - len(step["joined"]) for step in self.steps[1:] if step["left"])
        return sum(stayed) * int(self.told["config"]["steps"])


def read_outcome(folder: Path) -> Outcome:
    """Read result.json. Characters that no page can hold become U+FFFD.

    Raises:
        BadInput: it is not there, or was not written by `fedsift optout`.
    """
    file = folder / "result.json"
    try:
        told = _writable(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; give the folder that `fedsift optout` wrote") from error
    except ValueError as error:
        raise BadInput(f"{file}: it is no JSON ({error}); give the folder that `fedsift optout` wrote") from error
    _check(file, "", told, _KEYS)
    if not isinstance(told["steps"], list) or not told["steps"]:
        raise BadInput(f"{file}: steps is no list with the merge in it; was it written by `fedsift optout`?")
    for number, step in enumerate(told["steps"]):
        _check(file, f"step {number}: ", step, _STEP_KEYS)
    if told["verdict"] not in VERDICTS:
        raise BadInput(f"{file}: verdict is {told['verdict']!r}; it would be one of {', '.join(VERDICTS)}")
    return Outcome(told)


def _check(file: Path, where: str, told: Any, keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in told] if isinstance(told, dict) else list(keys)
    if missing:
        raise BadInput(f"{file}: {where}no {', '.join(missing)}; was it written by `fedsift optout`?")


def _writable(value: Any) -> Any:
    match value:
        case str():
            return _UNWRITABLE.sub("\ufffd", value)
        case list():
            return [_writable(each) for each in value]
        case dict():
            return {_writable(key): _writable(each) for key, each in value.items()}
        case _:
            return value
