"""The options of methods that train in rounds, and the schedule that they make."""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from statistics import NormalDist

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import Effect, Group, Options, option
from fedsift.core.round_schedule import Schedule
from fedsift.core.seeds import derive_seed
from fedsift.core.virtual_clock import Device
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.files.toml_file import read_text

_option = partial(option, group=Group.ROUNDS, effect=Effect.FREE)
_EQUAL = "equal"
_LOG_NORMAL = re.compile(r"lognormal:(\d+(?:\.\d*)?|\.\d+)")
_NUMBERS = {each.name.replace("_", "-"): each.name for each in fields(Device) if each.name != "windows"}
_COLUMNS = ("client", *_NUMBERS, "from", "until")


@dataclass(frozen=True, kw_only=True)
class RoundSettings(Options):
    """How FedAvg and all that build on it train (docs/explanation/rounds.md)."""

    rounds: int = _option(0, "Rounds of FedAvg and its like; 0 leaves these methods out.", ge=0)
    sample: float = _option(1.0, "Share of the members that are asked in a round.", gt=0, le=1)
    local_steps: int = _option(0, "Optimiser steps a client takes in a round; 0 for as many as steps says.", ge=0)
    stragglers: float = _option(
        0.0, "Share of those asked for whom a round does not wait: the last ones on the virtual clock.", ge=0, lt=1
    )
    deadline: float = _option(0.0, "Seconds on the virtual clock after which a round closes; 0 for never.", ge=0)
    dropouts: float = _option(
        0.0, "Probability that a client which was asked is not heard of again in the round.", ge=0, lt=1
    )
    devices: str = _option(
        _EQUAL,
        "How fast clients are, and when they are there (docs/explanation/rounds.md).",
        choices=(_EQUAL,),
        form="lognormal:SIGMA or a file.csv",
        fits=lambda text: _LOG_NORMAL.fullmatch(text) or text.endswith(".csv"),
    )

    def schedule(self, config: RunConfig, dataset: FederatedDataset, members: Sequence[str]) -> Schedule:
        """The rounds of the members of a run.

        Raises:
            BadInput: the file of the devices cannot be used.
        """
        return Schedule(
            steps=(lambda _: self.local_steps) if self.local_steps else own_steps(config, dataset),
            seed=config.seed,
            rounds=self.rounds,
            sample=self.sample,
            stragglers=self.stragglers,
            dropouts=self.dropouts,
            deadline=self.deadline or math.inf,
            device=self._devices(config.seed, members),
        )

    def _devices(self, seed: int, members: Sequence[str]) -> Callable[[str], Device]:
        if self.devices == _EQUAL:
            return lambda _: Device()
        if drawn := _LOG_NORMAL.fullmatch(self.devices):
            return lambda client_id: _slower(seed, client_id, float(drawn[1]))
        known = read_devices(Path(self.devices))
        for client_id in members:
            if client_id not in known:
                raise BadInput(f"devices {self.devices}: client {client_id!r} is not in the file")
        return known.__getitem__


def own_steps(config: RunConfig, dataset: FederatedDataset) -> Callable[[str], int]:
    """The way to the steps that a client tunes on its own; its rows are read only where they matter."""
    return lambda client_id: config.tuning.steps_for(len(dataset.train_examples(client_id)) if config.epochs else 0)


def _slower(seed: int, client_id: str, sigma: float) -> Device:
    """The default device, in everything slower by exp(sigma z), z standard normal, drawn for the client."""
    drawn = ((derive_seed(seed, "device", client_id) >> 11) + 0.5) * 2.0**-53
    factor = math.exp(sigma * NormalDist().inv_cdf(drawn))
    usual = Device()
    return Device(usual.step_seconds * factor, usual.down / factor, usual.up / factor)


def read_devices(path: Path) -> dict[str, Device]:
    """Clients' devices from a csv with a header.

    Columns: `client`; any of `step-seconds`, `down`, `up` (bytes a second), `watts`, `available` (a probability); and
    for a trace `from` and `until` (seconds), a row for each time that the client is there. What is left out, or empty,
    is the default.

    Raises:
        BadInput: a column is unknown, or a cell is no number that can be; the message names the line.
    """
    source = f"devices {path}"
    reader = csv.DictReader(io.StringIO(read_text(path, source)))
    columns = reader.fieldnames or ()
    for column in columns:
        if column not in _COLUMNS:
            raise BadInput(f"{source}: {unknown_name('column', column, _COLUMNS)}")
    if "client" not in columns or ("from" in columns) != ("until" in columns):
        raise BadInput(f"{source}: it needs a column client, and from and until both or neither")
    found: dict[str, Device] = {}
    for row in reader:
        place, client_id = f"{source}, line {reader.line_num}", row["client"]
        given = {name: _number(row[key], key, place) for key, name in _NUMBERS.items() if row.get(key)}
        windows = found[client_id].windows if client_id in found else ()
        if row.get("from") and row.get("until"):
            start, until = (_number(row[key], key, place) for key in ("from", "until"))
            if windows and start < windows[-1][1]:
                raise BadInput(f"{place}: client {client_id!r}: its times overlap, or are not in order")
            windows = (*windows, (start, until))
        elif client_id in found:
            raise BadInput(f"{place}: client {client_id!r} stands there twice")
        found[client_id] = Device(**given, windows=windows)
    return found


def _number(text: str, column: str, place: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    least_is_allowed = column in ("step-seconds", "watts", "available", "from")
    most = 1.0 if column == "available" else math.inf
    if not (0 < number < math.inf or (least_is_allowed and number == 0)) or number > most:
        raise BadInput(f"{place}: {column} = {text!r}: give a number {'from' if least_is_allowed else 'above'} 0")
    return number
