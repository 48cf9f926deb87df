"""result.json of `fedsift optout`, read and checked, and what follows from it."""

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from fedsift.core.errors import BadInput, visible
from fedsift.core.strict_json import typed
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_result import CheckedStep, Proof, ScenarioResult


@dataclass(frozen=True)
class Outcome:
    """A played scenario; its first step is the merge."""

    result: ScenarioResult

    @property
    def steps(self) -> list[CheckedStep]:
        """The steps, the merge first."""
        return self.result.steps

    @cached_property
    def unlearned(self) -> list[int]:
        """Removals up to and with each step."""
        return list(accumulate(len(step.left) for step in self.steps))

    @cached_property
    def left(self) -> list[str]:
        """Who ever left, each once, in order."""
        return list(dict.fromkeys(client for step in self.steps for client in step.left))

    @cached_property
    def gone(self) -> list[str]:
        """Who left and has not come back, in order."""
        gone: dict[str, None] = {}
        for step in self.steps:
            gone |= dict.fromkeys(step.left)
            for client in step.joined:
                gone.pop(client, None)
        return list(gone)

    @cached_property
    def came_back(self) -> list[str]:
        """Who left and is a member again."""
        return [client for client in self.left if client not in set(self.gone)]

    @cached_property
    def joined_later(self) -> list[str]:
        """Who joined after the merge without having left before, each once, in order."""
        joined = ((step.step, client) for step in self.steps[1:] for client in step.joined)
        return list(dict.fromkeys(client for step, client in joined if (step, client) not in self.returns))

    @cached_property
    def refusals(self) -> list[tuple[int, str, str]]:
        """Step, client and reason of each refused removal."""
        found = {(step.step, client): why for step in self.steps for client, why in step.refused.items()}
        for removal in self.result.removals:
            if not removal.verdict.done:
                found.setdefault((removal.step, removal.client), removal.reason)
        return [(step, client, why) for (step, client), why in sorted(found.items())]

    @cached_property
    def still_in(self) -> dict[str, str]:
        """Who asked to leave and is in the server's state all the same, and why."""
        found: dict[str, str] = {}
        refused = {(step, client): why for step, client, why in self.refusals}
        for step in self.steps:
            for client in step.asked:
                away = "it was away" if client in step.offline else "its removal did not come to an end"
                found[client] = step.failures.get(client, away)
            found |= {client: why for (number, client), why in refused.items() if number == step.step}
            for client in step.left:
                found.pop(client, None)
        return found

    @cached_property
    def differing(self) -> list[int]:
        """Steps after which an oracle's state is another."""
        return [step.step for step in self.steps if not step.same_as_incremental or step.same_as_full is False]

    @cached_property
    def verdict(self) -> Proof:
        """The worse of what the file says and what its steps say."""
        found = Proof.NOT_PROVEN if self.differing else Proof.REFUSED if self.refusals else Proof.PROVEN
        return max(found, self.result.verdict, key=list(Proof).index)

    @property
    def costs(self) -> dict[str, list[int]]:
        """Title of each method -> client trainings after the merge, up to each step. The merge is left out."""
        return {title: [each - totals[0] for each in totals] for title, totals in self.result.costs.items()}

    @cached_property
    def steps_retrained(self) -> int:
        """Optimiser steps of all reruns."""
        return sum(int(step.steps_retrained) for step in self.steps[1:])

    @cached_property
    def steps_of_refused(self) -> int:
        """How many of them were in vain: those of reruns that were refused."""
        return sum(each.steps_retrained for each in self.result.removals if not each.verdict.done)

    @property
    def refused_reruns(self) -> int:
        """Client trainings of removals that were refused."""
        return sum(each.steps_retrained > 0 and not each.verdict.done for each in self.result.removals)

    @cached_property
    def planned(self) -> dict[tuple[int, str], str]:
        """Step and client of a refused removal -> how the scenario has the client misbehave."""
        refused = (each for each in self.result.removals if not each.verdict.done)
        return {(each.step, each.client): each.planned for each in refused}

    @cached_property
    def returns(self) -> set[tuple[int, str]]:
        """Step and client of each return: it joined after it had left."""
        left: set[str] = set()
        found = set()
        for step in self.steps:
            found |= {(step.step, client) for client in step.joined if client in left}
            left |= set(step.left)
        return found

    @cached_property
    def steps_of_everybody(self) -> int:
        """Optimiser steps if, after each step in which somebody left, all who stayed had trained again."""
        stayed = (int(step.members) - len(step.joined) for step in self.steps[1:] if step.left)
        return sum(stayed) * int(self.result.config["steps"])


def read_outcome(folder: Path) -> Outcome:
    """Read result.json. What is not printable in its texts stands as Python writes it.

    Raises:
        BadInput: it is not there, or was not written by `fedsift optout`.
    """
    result = ScenarioFolder(folder).read_result()
    if result is None:
        raise BadInput(f"{folder} has no result.json; give the folder that `fedsift optout` wrote")
    return Outcome(typed(_visible(asdict(result)), ScenarioResult, "result"))


def _visible(value: Any) -> Any:
    match value:
        case str():
            return visible(value, kept="\n\t")
        case list():
            return [_visible(each) for each in value]
        case dict():
            return {_visible(key): _visible(each) for key, each in value.items()}
        case _:
            return value
