"""An opt-out scenario as a file in TOML says it: who leaves and when, who comes back, who misbehaves.

    title = "A tenth leaves"
    description = "..."          # optional
    [run]                        # optional: any key of a run's configuration
    clients = 100
    [[leave]]                    # as many as need be
    share = 0.1                  # who: one of clients, share, number, everybody, group, most-influential
    pace = "batches"             # at-once (default), one-by-one, batches
    batch = 5                    # how many a step, with pace = "batches"
    from-step = 1                # step 0 merges
    until = 10                   # stop where so many members are left
    [[rejoin]]
    number = 2                   # or clients = ["id", ...]
    step = 4
    [[misbehave]]
    clients = ["id"]             # or number = 2, drawn among those who leave for good
    what = "offline"             # or data-lost, data-changed, other-hardware, tampered-upload
    steps = 2                    # with "offline": away for so many steps, and heard in the next

Who is meant by numbers and groups is found out in `fedsift.studies.optout.scenario_plan`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.files.toml_file import parse_toml, read_text
from fedsift.studies.client_script import Misbehaviour

AT_ONCE, ONE_BY_ONE, BATCHES = PACES = ("at-once", "one-by-one", "batches")
_WHO = ("clients", "share", "number", "everybody", "group", "most-influential")
_LAST_STEP = 100_000
_OWN_KEYS = {
    **dict.fromkeys(("leave", "leave-count"), "[[leave]] says who leaves"),
    "oracle": "a scenario is always checked against oracles",
}
_READY = resources.files("fedsift") / "simulations" / "scenarios"


@dataclass(frozen=True, kw_only=True)
class Leave:
    """Clients that leave. Of the fields up to `most_influential` one says who."""

    clients: tuple[str, ...] = ()
    share: float = 0.0  # of all clients, rounded up, drawn from the seed
    number: int = 0  # drawn from the seed
    everybody: bool = False  # all members whom nothing else tells to leave
    group: tuple[str, str] | None = None  # a column of the data, and the value that a client has in one row or more
    most_influential: int = 0  # so many of those with the largest contributions, the largest first
    pace: str = AT_ONCE  # all in one step, one a step, or `batch` a step
    batch: int = 0
    from_step: int = 1
    until: int = 0  # it ends where so many members are left


@dataclass(frozen=True, kw_only=True)
class Rejoin:
    """Clients that left and come back in a step: by id, or so many drawn from the seed."""

    clients: tuple[str, ...] = ()
    number: int = 0
    step: int


@dataclass(frozen=True, kw_only=True)
class Misbehave:
    """Leavers that do not do what leavers should: by id, or so many drawn from the seed; `steps` when offline."""

    clients: tuple[str, ...] = ()
    number: int = 0
    what: Misbehaviour
    steps: int = 1


@dataclass(frozen=True)
class Scenario:
    """A whole scenario, its entries in the order of the file."""

    title: str
    description: str
    run: Mapping[str, Any]  # keys of a run's configuration, hyphened
    leave: tuple[Leave, ...]
    rejoin: tuple[Rejoin, ...]
    misbehave: tuple[Misbehave, ...]
    source: str  # where it comes from, for errors
    toml: str  # the file's text

    @property
    def needs_influence(self) -> bool:
        """Whether the merge decides who leaves."""
        return any(each.most_influential for each in self.leave)


def ready_scenarios() -> dict[str, str]:
    """The scenarios that come with fedsift: name -> text."""
    files = sorted((each for each in _READY.iterdir() if each.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in files}


def read_scenario(name: str) -> Scenario:
    """A scenario by its file, or one that comes with fedsift by its name.

    Raises:
        BadInput: there is none of that name, or something in it is wrong.
    """
    if name.endswith(".toml"):
        return parse_scenario(read_text(Path(name), f"scenario {name}"), name)
    if name not in (ready := ready_scenarios()):
        raise BadInput(f"{unknown_name('scenario', name, ready)} (or give a .toml file)")
    return parse_scenario(ready[name], name)


def parse_scenario(toml: str, source: str) -> Scenario:
    """Read a scenario's text; `source` begins every error.

    Raises:
        BadInput: a key is unknown, missing or of the wrong type or size.
    """
    values = parse_toml(toml, source)
    top = _Table(values, source, ("title", "description", "run", "leave", "rejoin", "misbehave"))
    title = top.text("title")
    run = values.get("run", {})
    if not isinstance(run, dict):
        raise BadInput(f"{source}: run = {run!r}: expected a table [run]")
    for key in _OWN_KEYS.keys() & run.keys():
        raise BadInput(f"{source}: [run]: {key} has no place here: {_OWN_KEYS[key]}")
    RunConfig.from_mapping(run, f"{source}: [run]")
    leave = tuple(_leave(each) for each in top.tables("leave", (*_WHO, "pace", "batch", "from-step", "until")))
    if not leave:
        raise BadInput(f"{source}: nobody leaves; add a [[leave]]")
    rejoin = tuple(_rejoin(each) for each in top.tables("rejoin", ("clients", "number", "step")))
    misbehave = tuple(_misbehave(each) for each in top.tables("misbehave", ("clients", "number", "what", "steps")))
    scenario = Scenario(title, top.text("description", ""), run, leave, rejoin, misbehave, source, toml)
    named = any(each.clients for each in rejoin) or any(each.clients for each in misbehave)
    if scenario.needs_influence and named:
        raise BadInput(
            f"{source}: who is most-influential is known after the merge only; with it, [[rejoin]] and [[misbehave]] "
            "take a number, not clients"
        )
    return scenario


class _Table:
    """A table of the file: its keys, checked as they are asked for."""

    def __init__(self, values: Mapping[str, Any], place: str, valid: Collection[str]) -> None:
        self.values, self.place = values, place
        for key in values:
            if key not in valid:
                raise BadInput(f"{place}: {unknown_name('key', key, valid)}")

    def tables(self, key: str, valid: Collection[str]) -> list["_Table"]:
        """The tables [[key]], each with its own place for errors."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.wrong(key, f"tables [[{key}]]")
        return [_Table(each, f"{self.place}: [[{key}]] {number}", valid) for number, each in enumerate(found, start=1)]

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it must be there."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.wrong(key, "a text")
        return value

    def whole(self, key: str, default: int = 0, least: int = 1, most: int | None = None) -> int:
        """A whole number; left out, the default."""
        value = self.values.get(key, default)
        if key in self.values and (type(value) is not int or value < least or (most is not None and value > most)):
            upper = "" if most is None else f", at most {most}"
            raise self.wrong(key, f"a whole number from {least} on{upper}")
        return int(value)

    def ids(self, key: str) -> tuple[str, ...]:
        """A list of different client ids; left out, none."""
        value = self.values.get(key, ())
        if key in self.values and not (isinstance(value, list) and value and all(type(each) is str for each in value)):
            raise self.wrong(key, "a list of client ids")
        for each in value:
            if value.count(each) > 1:
                raise BadInput(f"{self.place}: clients: {each!r} stands there twice")
        return tuple(value)

    def one_of(self, keys: Sequence[str]) -> str:
        """The one of some keys that must be there."""
        given = [key for key in keys if key in self.values]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise BadInput(f"{self.place}: give one of {', '.join(keys)}; found {found}")
        return given[0]

    def name(self, key: str, kind: str, valid: Sequence[str], default: str | None = None) -> str:
        """A text that is one of some names."""
        value = self.text(key, default)
        if value not in valid:
            raise BadInput(f"{self.place}: {unknown_name(kind, value, valid)}")
        return value

    def wrong(self, key: str, expected: str) -> BadInput:
        """The error for a key without a value, or with a wrong one."""
        if key not in self.values:
            return BadInput(f"{self.place}: {key} is missing; give {expected}")
        return BadInput(f"{self.place}: {key} = {self.values[key]!r}: expected {expected}")


def _leave(table: _Table) -> Leave:
    table.one_of(_WHO)
    share = table.values.get("share", 0.0)
    if "share" in table.values and (type(share) not in (int, float) or not 0 < share <= 1):
        raise table.wrong("share", "a share of all clients, above 0 and at most 1")
    if table.values.get("everybody", True) is not True:
        raise table.wrong("everybody", "true")
    pace = table.name("pace", "pace", PACES, AT_ONCE)
    if (pace == BATCHES) != ("batch" in table.values):
        raise BadInput(f'{table.place}: batch and pace = "{BATCHES}" go together: batch says how many leave in a step')
    return Leave(
        clients=table.ids("clients"),
        share=float(share),
        number=table.whole("number"),
        everybody="everybody" in table.values,
        group=_group(table),
        most_influential=table.whole("most-influential"),
        pace=pace,
        batch=table.whole("batch"),
        from_step=table.whole("from-step", 1, most=_LAST_STEP),
        until=table.whole("until", 0, least=0),
    )


def _group(table: _Table) -> tuple[str, str] | None:
    value = table.values.get("group")
    if "group" not in table.values:
        return None
    if not isinstance(value, dict):
        raise table.wrong("group", '{column = "...", value = "..."}')
    group = _Table(value, f"{table.place}: group", ("column", "value"))
    if not isinstance(value.get("value"), str):  # 1.10 is the number 1.1 to TOML; another client's cell may say so.
        raise group.wrong("value", 'the cell\'s text in quotes, such as "1.10"')
    return group.text("column"), value["value"]


def _rejoin(table: _Table) -> Rejoin:
    table.one_of(("clients", "number"))
    if "step" not in table.values:
        raise table.wrong("step", "the step in which they come back")
    step = table.whole("step", least=2, most=_LAST_STEP)
    return Rejoin(clients=table.ids("clients"), number=table.whole("number"), step=step)


def _misbehave(table: _Table) -> Misbehave:
    table.one_of(("clients", "number"))
    what = Misbehaviour(table.name("what", "misbehaviour", list(Misbehaviour)))
    if "steps" in table.values and what != Misbehaviour.OFFLINE:
        offline = f'what = "{Misbehaviour.OFFLINE}"'
        raise BadInput(f"{table.place}: steps goes with {offline} only: for how long they are away")
    steps = table.whole("steps", 1, most=_LAST_STEP)
    return Misbehave(clients=table.ids("clients"), number=table.whole("number"), what=what, steps=steps)
