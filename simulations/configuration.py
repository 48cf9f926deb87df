"""The configuration of a run: one frozen dataclass for the command line, config.toml and both Flower apps."""

import dataclasses
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import tomli_w

from fedsift.errors import BadInput, unknown_name
from fedsift.localisation import Localisation
from fedsift.quantisation import QuantisationGrid
from fedsift.reproducibility import DEFAULT_PROFILE, PROFILES
from fedsift.seeds import derive_seed
from fedsift.tuning import TuningSettings

_WORKERS_PER_CORE = 8  # More would only take memory: each worker loads its own libraries.
_PLUGIN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}

# The paper as published: fine magnitudes, divided by the number of members.
PRESETS: dict[str, dict[str, Any]] = {"paper": {"bits": 16, "localise": "paper"}}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run. Names are written with hyphens in config.toml and on the command line.

    Attributes:
        dataset: "people" (generated), a csv, jsonl or parquet file, or "package.module:function".
        client_column, prompt, target: how a file becomes clients' examples; empty for a built-in data set.
        model: "people" (embedded), a folder in Hugging Face format, or a hub name.
        clients: how many clients, the first of the data set; 0 for all that it has (people: 500).
        leave: how many clients ask to leave after the merge (drawn from the seed), or their ids.
        oracle: whether to run the simulation in which the leavers never were, and compare.
        steps, lr, batch_size: sign-fixed tuning.
        max_length: tokens after which a row is cut.
        bits, max_magnitude, threshold: the grid; max_magnitude 0 means lr * steps, which bounds what Adam moves.
        localise: how a member's model is made from the sums: paper, coordinate, each also with +l1.
        evaluate: whether clients score M0, their own model, and what they are served.
        profile: how far the bits of a rerun carry: fast, vendor or portable (docs/reproducibility.md).
        seed: the root of all seeds.
        workers: Ray actors; 0 for one a core.
    """

    dataset: str = "people"
    client_column: str = ""
    prompt: str = ""
    target: str = ""
    model: str = "people"
    clients: int = 0
    leave: int | tuple[str, ...] = 0
    oracle: bool = False
    steps: int = 20
    lr: float = 1e-2
    batch_size: int = 128
    max_length: int = 192
    bits: int = 2
    max_magnitude: float = 0.0
    threshold: float = 0.0
    localise: str = "coordinate"
    evaluate: bool = True
    profile: str = DEFAULT_PROFILE
    seed: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        _ = self.tuning, Localisation(self.localise)
        if self.profile not in PROFILES:
            raise unknown_name("profile", self.profile, PROFILES)
        if self.clients < 0:
            raise BadInput(f"clients = {self.clients}: give the number of clients, or 0 for all")
        if (isinstance(self.leave, int) and self.leave < 0) or self.leave == ():
            raise BadInput(f"leave = {self.leave}: give a number of clients from 0 on, or their ids")
        if self.max_length < 2:
            raise BadInput(f"max-length = {self.max_length}: a row has at least 2 tokens, prompt and target")
        if not 0 <= self.seed < 2**63:
            raise BadInput(f"seed = {self.seed}: a seed lies between 0 and 2^63 - 1")
        most = _WORKERS_PER_CORE * _cores()
        if not 0 <= self.workers <= most:
            raise BadInput(f"workers = {self.workers}: give 0 for one a core, or at most {most} on this machine")
        if self.max_magnitude < 0:
            raise BadInput(f"max-magnitude = {self.max_magnitude}: give a number above 0, or 0 for lr * steps")
        _ = self.grid
        given = [name for name in ("client_column", "prompt", "target") if getattr(self, name)]
        if self.dataset == "people" or self.is_plugin:
            if given:
                raise BadInput(f"{hyphened(given[0])} belongs to a file; dataset {self.dataset} has its own")
        elif not Path(self.dataset).suffix:
            nearest = unknown_name("dataset", self.dataset, ["people"])
            raise BadInput(f"{nearest} (or give a csv, jsonl or parquet file, or module:function)")
        elif len(given) < 3:
            raise BadInput("a file needs client-column, prompt and target: whose row it is, and what to learn from it")

    @property
    def is_plugin(self) -> bool:
        """Whether the data come from a function of the user's, `package.module:function`."""
        return bool(_PLUGIN.fullmatch(self.dataset))

    @property
    def tuning(self) -> TuningSettings:
        """The clients' tuning settings."""
        return TuningSettings(self.steps, self.lr, self.batch_size)

    @property
    def grid(self) -> QuantisationGrid:
        """The quantisation grid."""
        return QuantisationGrid(self.bits, self.max_magnitude or self.lr * self.steps, self.threshold)

    @property
    def sign_seed(self) -> int:
        """The seed of the sign vector."""
        return derive_seed(self.seed, "sign vector")

    @property
    def worker_count(self) -> int:
        """Workers, with 0 resolved to one a core."""
        return self.workers or _cores()

    def to_user_config(self) -> dict[str, bool | float | int | str]:
        """As Flower's run_config: scalars only, so the ids in `leave` become a JSON list."""
        values = {hyphened(name): value for name, value in dataclasses.asdict(self).items()}
        values["leave"] = json.dumps(values["leave"])
        return values

    @classmethod
    def from_user_config(cls, user_config: Mapping[str, bool | float | int | str]) -> "RunConfig":
        """The inverse of `to_user_config`."""
        values: dict[str, Any] = dict(user_config)
        values["leave"] = json.loads(values["leave"])
        return cls.from_mapping(values)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str = "configuration") -> "RunConfig":
        """Check names and types of hyphened keys.

        Raises:
            BadInput: an unknown key, a value of the wrong type or out of range; the message begins with `source`.
        """
        hints = get_type_hints(cls)
        checked: dict[str, Any] = {}
        for key, value in values.items():
            name = key.replace("-", "_")
            if name not in hints or "_" in key:
                raise BadInput(f"{source}: {unknown_name('key', key, map(hyphened, hints))}")
            checked[name] = _typed(source, key, value, hints[name])
        try:
            return cls(**checked)
        except BadInput as error:
            raise BadInput(f"{source}: {error}") from error


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hyphened(name: str) -> str:
    """The name of a field as users write it."""
    return name.replace("_", "-")


def _typed(source: str, key: str, value: Any, hint: Any) -> Any:
    kinds = get_args(hint) if get_origin(hint) is not None else (hint,)
    if float in kinds and type(value) is int:
        return float(value)
    if type(value) in kinds:
        return value
    takes_list = any(get_origin(kind) is tuple for kind in kinds)
    if takes_list and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    expected = " or ".join(_KINDS.get(kind, "a list of texts") for kind in kinds)
    raise BadInput(f"{source}: {key} = {value!r}: expected {expected}")


def read_toml(path: Path) -> dict[str, Any]:
    """The keys of a config.toml.

    Raises:
        BadInput: no such file, or no TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise BadInput(f"configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"configuration {path}: {error}") from error


def write_toml(config: RunConfig, path: Path) -> None:
    """Write a configuration that `read_toml` reads back: the run can be repeated from it."""
    values = {hyphened(name): value for name, value in dataclasses.asdict(config).items()}
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
