"""A sweep as a file in TOML says it: the options of a config.toml, those that vary in [sweep], and a few keys more.

command = "run"                  # or "compare"
seeds = 3                        # at each point; default 1
score = "served of newcomers"    # what is drawn, and what a search maximises
methods = ["sift-masks"]         # of compare
search = "optuna"                # instead of a grid: default "grid"
trials = 20                      # of a search
clients = 20                     # any option of the command
[sweep]
steps = [10, 20]                 # a grid plays all combinations
lr = { low = 1e-3, high = 1e-1, log = true }    # of a search only

A range has whole numbers where both its ends are.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fedsift.configuration.named_files import check_named_files
from fedsift.configuration.participants import Participants
from fedsift.core.errors import BadInput, unknown_name
from fedsift.data.loading import load_dataset
from fedsift.files.toml_file import parse_toml, read_text
from fedsift.studies.sweep.commands import MEMBERS, NEWCOMERS, Command, Compare, Run
from fedsift.studies.sweep.search import OptunaSearch, Range, check_optuna
from fedsift.studies.sweep.sweep import Score, Sweep

_COMMANDS = ("run", "compare")
_SEARCHES = ("grid", "optuna")
_KEYS = ("command", "seeds", "score", "methods", "search", "trials", "sweep")
_MOST_SEEDS = 1000
_MOST_TRIALS = 100_000


def read_sweep(path: Path) -> Sweep:
    """The sweep that a file says.

    Raises:
        BadInput: it cannot be read, a key is unknown, or a value is not valid; the message begins with the file.
    """
    source = f"sweep {path}"
    values = parse_toml(read_text(path, source), source)
    try:
        return _sweep(values)
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from error


def _default_score(command: Command, options: Mapping[str, Any]) -> Score:
    """The score of newcomers, who never join; of members where there are none."""
    config = command.read(options)[0]
    newcomers = Participants.of(config, load_dataset(config)).newcomers
    return Score(next(iter(command.score_rows())), NEWCOMERS if newcomers else MEMBERS)


def _sweep(values: Mapping[str, Any]) -> Sweep:
    command = _command(values)
    own = {key: values[key] for key in _KEYS if key in values}
    options = {key: value for key, value in values.items() if key not in _KEYS}
    for key in options:
        if key not in command.keys:
            raise unknown_name("key", key, [*command.keys, *_KEYS])
    varied = own.get("sweep")
    if not isinstance(varied, dict) or not varied:
        raise BadInput("[sweep] is missing: give the options that vary, such as lr = [0.003, 0.01]")
    for key in varied:
        if key == "seed":
            raise BadInput("[sweep]: seed has no place there: seeds = 3 plays each point with three of them")
        if key not in command.keys:
            raise BadInput(f"[sweep]: {unknown_name('option', key, command.keys)}")
        if key in options:
            raise BadInput(f"{key} stands in [sweep] and outside of it")
    search = own.get("search", _SEARCHES[0])
    if search not in _SEARCHES:
        raise unknown_name("search", str(search), _SEARCHES)
    first = {key: _ends(key, each, search)[0] for key, each in varied.items()}
    for key, each in varied.items():  # Each value by itself: of values that do not go together, playing tells.
        for value in _ends(key, each, search):
            point = {**options, **first, key: value}
            check_named_files(point)
            command.read(point)
    given = own.get("score")
    if given is not None and not isinstance(given, str):
        raise BadInput(f"score = {given!r}: expected a text")
    score = _default_score(command, {**options, **first}) if given is None else Score.of(given, command)
    seeds = _whole(own, "seeds", 1, _MOST_SEEDS)
    if search == _SEARCHES[0]:
        if "trials" in own:
            raise BadInput('trials belong to search = "optuna"')
        return Sweep(command, options, seeds, score, grid=varied)
    check_optuna()
    space = {key: _range(key, each) if isinstance(each, dict) else each for key, each in varied.items()}
    return Sweep(command, options, seeds, score, search=OptunaSearch(space, _whole(own, "trials", 20, _MOST_TRIALS)))


def _command(values: Mapping[str, Any]) -> Command:
    name = values.get("command", _COMMANDS[0])
    if name not in _COMMANDS:
        raise unknown_name("command", str(name), _COMMANDS)
    methods = values.get("methods")
    if name == Run.name:
        if methods is not None:
            raise BadInput('methods belong to command = "compare"')
        return Run()
    if methods is not None and not (isinstance(methods, list) and methods and all(type(e) is str for e in methods)):
        raise BadInput(f"methods = {methods!r}: expected a list of names")
    return Compare(methods)


def _ends(key: str, value: Any, search: str) -> list[Any]:
    """The values that an option may have, of a range both ends."""
    if isinstance(value, list) and value:
        return value
    if search == _SEARCHES[0]:
        raise BadInput(f"[sweep]: {key} = {value!r}: expected a list of values (ranges belong to a search)")
    if not isinstance(value, dict):
        raise BadInput(f"[sweep]: {key} = {value!r}: expected a list of values, or {{ low = 1, high = 5 }}")
    found = _range(key, value)
    return [found.low, found.high]


def _range(key: str, value: Mapping[str, Any]) -> Range:
    names = [each.name for each in fields(Range)]
    for name in value:
        if name not in names:
            raise BadInput(f"[sweep]: {key}: {unknown_name('key', name, names)}")
    wrong = BadInput(f"[sweep]: {key}: give numbers low and high, low below high, and above 0 with log = true")
    match value.get("low"), value.get("high"), value.get("log", False):
        case ((int() | float() as low), (int() | float() as high), bool(log)):
            if not low < high or (log and low <= 0) or bool in map(type, (low, high)):
                raise wrong
            return Range(low, high, log)
    raise wrong


def _whole(values: Mapping[str, Any], key: str, default: int, most: int) -> int:
    value = values.get(key, default)
    if type(value) is not int or not 1 <= value <= most:
        raise BadInput(f"{key} = {value!r}: expected a whole number from 1 to {most:,}")
    return value
