"""The configuration of a run: one frozen dataclass for the command line, config.toml and both Flower apps."""

import dataclasses
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import tomli_w

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.localisation import Localisation
from fedsift.core.quantisation import MAX_BITS, QuantisationGrid, highest_level
from fedsift.core.seeds import derive_seed
from fedsift.core.user_code import is_user_code
from fedsift.data.file_names import kind_of_file
from fedsift.data.paper_settings import PAPER_SETTINGS
from fedsift.data.partition import PARTITIONS
from fedsift.files.output import write_whole
from fedsift.files.toml_file import parse_toml, read_text
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.reproducibility import DEFAULT_PROFILE, PROFILES
from fedsift.learning.tuning_settings import TuningSettings

ENGINES = ("ray", "flower")
MOST = 10**9  # of steps, rows, tokens, clients and the like: far beyond any, and products of them stay finite
OWN = "own"  # the data set of a deployment: each client has its own rows
_OWN_MOST = {"levels": highest_level(MAX_BITS), "seed": 2**63 - 1}
_LARGEST_FLOAT = int(sys.float_info.max)
_WORKERS_PER_CORE = 8  # More would only take memory: each worker loads its own libraries.
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")
_RAY_ADDRESS = re.compile(r"[^/\s]+:\d+")
_LISTS = {"leave", "choices"}
_STEP_SHARE = 0.2  # of lr * steps: what a level is worth on a coarse grid (docs/served.md)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}

# The paper as published: fine magnitudes, divided by the number of members.
PUBLISHED_TUNING: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "commit_share": 0.0}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"levels": 65535, "localise": "paper", **PUBLISHED_TUNING},
}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run. Names are written with hyphens in config.toml and on the command line.

    Attributes:
        dataset: "people" (generated), a setting of the paper (tofu, sent140, reddit, stackoverflow), a csv, jsonl or
            parquet file, a hub name "owner/name", or "package.module:function"; "own" where each client of a deployment
            brings its rows.
        data_file: the local file of a setting of the paper; empty to load it from the hub.
        client_column, prompt, target: how a table becomes clients' examples; empty for other data sets.
        partition: "iid" or "dirichlet" splits a table without natural clients among `clients`.
        alpha: of the Dirichlet partition; the smaller, the more the clients' targets differ.
        test_share: share of each client's rows that is kept for scoring; 0 scores on what was tuned on.
        model, task, choices, head, tune, lora_rank, dtype, checkpointing, compile, device: `ModelSettings`.
        clients: how many clients, the first of the data set; 0 for all that it has (people: 500).
        leave: ids of clients that ask to leave after the merge.
        leave_count: instead, how many do, drawn from the seed.
        oracle: whether to run the simulation in which the leavers never were, and compare.
        steps, lr, beta1, beta2, batch_size, micro_batch: sign-fixed tuning.
        commit_share: share of the steps, the last ones, that run on the quantised model; rounded to whole steps.
        max_length: tokens after which a row is cut.
        levels, max_magnitude, threshold: the grid. max_magnitude 0 means lr * steps / 5 a level, and at most
            lr * steps, further than which Adam seldom moves an entry.
        localise: how a member is served: own, paper or coordinate.
        evaluate: whether clients score M0, their own model, and what they are served.
        engine: what runs the simulated clients: "ray", or "flower" for Flower's own engine (`flwr run`).
        profile: how far the bits of a rerun carry: fast, vendor or portable (docs/reproducibility.md).
        seed: the root of all seeds.
        workers: Ray actors; 0 for one a core, on a cluster for one for each of its CPUs.
        ray_address: of a running Ray cluster, "host:port", or "auto" for the one that this machine belongs to; empty to
            start Ray on this machine alone (docs/cluster.md).
        partial_sums: whether workers merge what their clients upload, and hand over sums; the state is the same.
    """

    dataset: str = "people"
    data_file: str = ""
    client_column: str = ""
    prompt: str = ""
    target: str = ""
    partition: str = ""
    alpha: float = 0.5
    test_share: float = 0.0
    model: str = ModelSettings.model
    task: str = ModelSettings.task
    choices: tuple[str, ...] = ModelSettings.choices
    head: str = ModelSettings.head
    tune: str = ModelSettings.tune
    lora_rank: int = ModelSettings.lora_rank
    dtype: str = ModelSettings.dtype
    checkpointing: bool = ModelSettings.checkpointing
    compile: bool = ModelSettings.compile
    device: str = ModelSettings.device
    clients: int = 0
    leave: tuple[str, ...] = ()
    leave_count: int = 0
    oracle: bool = False
    steps: int = 20
    lr: float = 1e-2
    beta1: float = TuningSettings.beta1
    beta2: float = TuningSettings.beta2
    batch_size: int = 128
    micro_batch: int = TuningSettings.micro_batch
    commit_share: float = 0.0
    max_length: int = ModelSettings.max_length
    levels: int = 2
    max_magnitude: float = 0.0
    threshold: float = 0.0
    localise: str = "own"
    evaluate: bool = True
    engine: str = ENGINES[0]
    profile: str = DEFAULT_PROFILE
    seed: int = 0
    workers: int = 0
    ray_address: str = ""
    partial_sums: bool = False

    def __post_init__(self) -> None:
        self._check_texts_and_sizes()
        if not 0 <= self.commit_share <= 1:
            raise BadInput(f"commit-share = {self.commit_share}: it is a share of the steps, from 0 to 1")
        _ = self.tuning, self.model_settings, Localisation(self.localise)
        if self.engine not in ENGINES:
            raise unknown_name("engine", self.engine, ENGINES)
        if self.profile not in PROFILES:
            raise unknown_name("profile", self.profile, PROFILES)
        if self.clients < 0:
            raise BadInput(f"clients = {self.clients}: give the number of clients, or 0 for all")
        if self.leave_count < 0:
            raise BadInput(f"leave-count = {self.leave_count}: give a number of clients from 0 on")
        if self.leave and self.leave_count:
            raise BadInput("leave and leave-count exclude each other: give ids, or a number of clients")
        if not 0 <= self.seed < 2**63:
            raise BadInput(f"seed = {self.seed}: a seed lies between 0 and 2^63 - 1")
        most = _WORKERS_PER_CORE * cores()
        if self.ray_address not in ("", "auto") and not _RAY_ADDRESS.fullmatch(self.ray_address):
            raise BadInput(
                f"ray-address = {self.ray_address}: give host:port of a cluster's head, or auto on its nodes"
            )
        if self.workers < 0 and self.ray_address:
            raise BadInput(f"workers = {self.workers}: give 0 for one for each CPU of the cluster, or a number of them")
        if not 0 <= self.workers <= most and not self.ray_address:
            raise BadInput(f"workers = {self.workers}: give 0 for one a core, or at most {most} on this machine")
        if self.max_magnitude < 0:
            raise BadInput(
                f"max-magnitude = {self.max_magnitude}: give a number above 0, or 0 for a share of lr * steps"
            )
        _ = self.grid
        if not 0 <= self.test_share < 1:
            raise BadInput(f"test-share = {self.test_share}: it is a share of each client's rows, from 0 to below 1")
        if not 0 < self.alpha < float("inf"):
            raise BadInput(f"alpha = {self.alpha}: give a finite number above 0")
        self._check_source()

    def _check_texts_and_sizes(self) -> None:
        """See that every text can be written as UTF-8, and that no whole number is beyond what can be computed with."""
        for name, value in vars(self).items():
            if isinstance(value, int) and abs(value) > (most := _OWN_MOST.get(name, MOST)):
                raise BadInput(f"{hyphened(name)}: far too large a number; give at most {most:,}")
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str):
                    check_unicode(hyphened(name), text)

    def _check_source(self) -> None:
        """See that the options that say how to read the data fit the data set."""
        if self.data_file and self.dataset not in PAPER_SETTINGS:
            raise BadInput(f"data-file belongs to a setting of the paper ({', '.join(PAPER_SETTINGS)})")
        table_options = ("client_column", "prompt", "target", "partition")
        given = [name for name in table_options if getattr(self, name)]
        if self.dataset == "people" or self.dataset in PAPER_SETTINGS or is_user_code(self.dataset):
            if given:
                raise BadInput(f"{hyphened(given[0])} belongs to a table; dataset {self.dataset} has its own")
            return
        if self.dataset == OWN:
            if self.client_column or self.partition or not (self.prompt and self.target):
                raise BadInput("dataset own: each node's rows are one client's; give prompt and target, no more")
            return
        if not kind_of_file(self.dataset) and not _HUB_NAME.fullmatch(self.dataset):
            if Path(self.dataset).suffix:
                raise BadInput(
                    f"dataset file {self.dataset}: expected a csv, jsonl or parquet file, packed ones such as .csv.gz"
                )
            nearest = unknown_name("dataset", self.dataset, ["people", *PAPER_SETTINGS])
            raise BadInput(
                f"{nearest} (or give a csv, jsonl or parquet file, a hub name owner/name, or module:function)"
            )
        if not (self.prompt and self.target and (self.client_column or self.partition)):
            raise BadInput(
                "a table needs client-column, prompt and target: whose row it is, and what to learn from it (or "
                "partition and clients, where it has no natural clients)"
            )
        if self.partition:
            if self.partition not in PARTITIONS:
                raise unknown_name("partition", self.partition, PARTITIONS)
            if self.client_column:
                raise BadInput("client-column and partition exclude each other: the column says whose row it is")
            if not self.clients:
                raise BadInput("partition needs clients: among how many the rows are split")

    @property
    def model_settings(self) -> ModelSettings:
        """Which model learns what."""
        return ModelSettings(
            model=self.model,
            task=self.task,
            choices=self.choices,
            max_length=self.max_length,
            head=self.head,
            tune=self.tune,
            lora_rank=self.lora_rank,
            dtype=self.dtype,
            checkpointing=self.checkpointing,
            compile=self.compile,
            device=self.device,
            root_seed=self.seed,
        )

    @property
    def tuning(self) -> TuningSettings:
        """The clients' tuning settings."""
        commit_steps = round(self.commit_share * self.steps)
        return TuningSettings(
            self.steps, self.lr, self.batch_size, self.micro_batch, commit_steps, self.beta1, self.beta2
        )

    @property
    def grid(self) -> QuantisationGrid:
        """The quantisation grid."""
        share = min(1.0, _STEP_SHARE * self.levels)
        return QuantisationGrid(self.levels, self.max_magnitude or share * self.lr * self.steps, self.threshold)

    @property
    def sign_seed(self) -> int:
        """The seed of the sign vector."""
        return derive_seed(self.seed, "sign vector")

    @property
    def worker_count(self) -> int:
        """Workers on this machine alone, with 0 resolved to one a core."""
        return self.workers or cores()

    @property
    def anybody_leaves(self) -> bool:
        """Whether clients ask to leave after the merge."""
        return bool(self.leave or self.leave_count)

    def leaving(self, *client_ids: str) -> "RunConfig":
        """The same with these leavers, and no others."""
        return dataclasses.replace(self, leave=client_ids, leave_count=0)

    def to_user_config(self) -> dict[str, bool | float | int | str]:
        """As Flower's run_config: scalars only, so lists become JSON."""
        values = {hyphened(name): value for name, value in dataclasses.asdict(self).items()}
        return {key: json.dumps(value) if key in _LISTS else value for key, value in values.items()}

    @classmethod
    def from_user_config(cls, user_config: Mapping[str, bool | float | int | str]) -> "RunConfig":
        """The inverse of `to_user_config`.

        Raises:
            BadInput: as of `from_mapping`, or what is to be a list is no JSON.
        """
        return cls.from_mapping(
            {key: _from_json(key, str(value)) if key in _LISTS else value for key, value in user_config.items()}
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str = "configuration") -> "RunConfig":
        """Check names and types of hyphened keys; a setting of the paper brings its own defaults.

        Raises:
            BadInput: an unknown key, a value of the wrong type or out of range; the message begins with `source`.
        """
        hints = get_type_hints(cls)
        checked: dict[str, Any] = {}
        for key, value in {**_paper_defaults(values.get("dataset")), **values}.items():
            name = key.replace("-", "_")
            if key == "bits":
                raise BadInput(f"{source}: {_levels_for_bits(value)}")
            if key == "leave" and type(value) is int:
                raise BadInput(f"{source}: leave takes ids; for a number of clients write leave-count = {value}")
            if name not in hints or "_" in key:
                raise BadInput(f"{source}: {unknown_name('key', key, map(hyphened, hints))}")
            checked[name] = _typed(source, key, value, hints[name])
        try:
            return cls(**checked)
        except BadInput as error:
            raise BadInput(f"{source}: {error}") from error


def _paper_defaults(dataset: Any) -> dict[str, Any]:
    """Appendix B, for a setting of the paper."""
    setting = PAPER_SETTINGS.get(dataset) if isinstance(dataset, str) else None
    if setting is None:
        return {}
    keys = ("model", "lr", "steps", "batch-size", "clients", "max-length", "choices")
    return {key: getattr(setting, key.replace("-", "_")) for key in keys}


def _levels_for_bits(bits: Any) -> str:
    """What to write instead of a key of earlier versions."""
    if type(bits) is int and 1 <= bits <= MAX_BITS:
        return f"bits is now levels, the highest level: bits = {bits} is levels = {highest_level(bits)}"
    return "bits is now levels, the highest level: so many bits are levels = 2^bits - 1"


def _from_json(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f'{key} = {text!r}: expected a list in JSON, such as ["a", "b"]') from error


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hyphened(name: str) -> str:
    """The name of a field as users write it."""
    return name.replace("_", "-")


def check_unicode(key: str, text: str) -> None:
    """See that a value can be written as UTF-8.

    Raises:
        BadInput: it cannot: it came as other bytes on the command line.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{key} = {text!a}: no valid Unicode at character {error.start + 1}; give UTF-8") from error


def _typed(source: str, key: str, value: Any, hint: Any) -> Any:
    if hint is float and type(value) is int and abs(value) <= _LARGEST_FLOAT:
        return float(value)
    if type(value) is hint:
        return value
    takes_list = get_origin(hint) is tuple
    if takes_list and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise BadInput(f"{source}: {key} = {value!r}: expected {_KINDS.get(hint, 'a list of texts')}")


def read_toml(path: Path) -> dict[str, Any]:
    """The keys of a config.toml.

    Raises:
        BadInput: no such file, or no TOML.
    """
    source = f"configuration {path}"
    return parse_toml(read_text(path, source), source)


def write_toml(config: RunConfig, path: Path) -> None:
    """Write a configuration that `read_toml` reads back: the run can be repeated from it."""
    values = {hyphened(name): value for name, value in dataclasses.asdict(config).items()}
    write_whole(path, tomli_w.dumps(values))
