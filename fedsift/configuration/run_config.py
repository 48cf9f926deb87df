"""The configuration of a run: all its options, for the command line, config.toml and both Flower apps."""

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import tomli_w

from fedsift.core.errors import BadInput
from fedsift.core.localisation import LOCALISATIONS, OWN_LEVELS
from fedsift.core.options import Effect, Group, option
from fedsift.core.publication import Publication
from fedsift.core.quantisation import MAX_BITS, QuantisationGrid, grid_for, highest_level
from fedsift.core.seeds import derive_seed
from fedsift.data.kinds import defaults_of
from fedsift.data.settings import DataSettings
from fedsift.files.output import write_whole
from fedsift.files.toml_file import parse_toml, read_text
from fedsift.learning.model_settings import LANGUAGE_MODELLING, ModelSettings
from fedsift.learning.reproducibility import DEFAULT_PROFILE, PROFILES
from fedsift.learning.tuning_settings import TuningSettings

_GRID, _LEAVERS, _RUN, _MACHINE, _FREE = Group.GRID, Group.LEAVERS, Group.RUN, Group.MACHINE, Effect.FREE
ENGINES = ("ray", "flower")
_WORKERS_PER_CORE = 8  # More would only take memory: each worker loads its own libraries.
_STEP_SHARE = 0.2  # of lr * steps: what each of a few given levels is worth (docs/explanation/grid.md)

# The paper as published: fine magnitudes, divided by the number of members.
PUBLISHED_TUNING: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "commit_share": 0.0}
# What clients of `fedsift reproduce` have that is not said otherwise.
REPRODUCED: dict[str, Any] = {**PUBLISHED_TUNING, "levels": 3, "threshold": 0.0}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"levels": 65535, "localise": "paper", "shared_head": False, **PUBLISHED_TUNING}
}


@dataclass(frozen=True, kw_only=True)
class RunConfig(TuningSettings, ModelSettings, DataSettings):
    """All options of a run, as fields: docs/reference/options.md."""

    levels: int = option(
        0,
        "Highest quantised magnitude: 1 is a mask alone, 4 two bits, 65535 sixteen; 0 for as many as the steps need.",
        _GRID,
        ge=0,
        le=highest_level(MAX_BITS),
    )
    max_magnitude: float = option(
        0.0,
        # Further than lr * steps Adam seldom moves an entry.
        "The magnitude of the highest level; 0 for 1.25 * lr * steps, or of given levels for lr * steps / 5 each, at "
        "most lr * steps.",
        _GRID,
        ge=0,
    )
    threshold: float = option(
        QuantisationGrid.threshold, "Share of max-magnitude that an entry needs to be kept.", _GRID, ge=0, lt=1
    )
    localise: str = option(
        OWN_LEVELS, "How a member is served (docs/explanation/grid.md).", _GRID, Effect.SERVED, choices=LOCALISATIONS
    )
    merge_scale: float = option(
        1.0,
        "Public factor lambda on the merged model, lambda S / |T|, that all without a mask are served.",
        _GRID,
        Effect.SERVED,
        gt=0,
        le=1e6,
    )
    leave: tuple[str, ...] = option(
        (),
        "Id of a client that leaves after the merge, exactly as in the data; repeatable. A number is an id, too.",
        _LEAVERS,
        _FREE,
    )
    leave_count: int = option(0, "How many clients leave instead; they are drawn from the seed.", _LEAVERS, _FREE, ge=0)
    oracle: bool = option(
        False, "Also run the simulation in which the leavers never were, and compare the states.", _RUN, _FREE
    )
    evaluate: bool = option(True, "Score the base model, each client's own, and what members are served.", _RUN, _FREE)
    evaluate_every: int = option(1, "Score in each round whose number is a multiple of it.", _RUN, _FREE, ge=1)
    evaluate_clients: int = option(
        100,
        "How many members are scored, chosen by a hash, beside those who leave, and how many newcomers; 0 for all.",
        _RUN,
        _FREE,
        ge=0,
    )
    generate: bool = option(
        False,
        "Also let a language model answer, greedily, and score that by ROUGE-L (docs/how-to/chat.md).",
        _RUN,
        _FREE,
    )
    engine: str = option(
        ENGINES[0],
        "What runs the clients: Ray, or Flower's own engine (docs/how-to/deployment.md).",
        _RUN,
        _FREE,
        choices=ENGINES,
    )
    ray_address: str = option(
        "",
        "A running Ray cluster, auto for this machine's own (docs/how-to/cluster.md); without, Ray starts here.",
        _RUN,
        _FREE,
        choices=("auto",),
        form="host:port",
        fits=re.compile(r"[^/\s]+:\d+").fullmatch,
    )
    partial_sums: bool = option(
        False, "Workers add up what clients upload, and pass on the sums (docs/explanation/memory.md).", _RUN, _FREE
    )
    publish_noise: float = option(
        0.0,
        "Gaussian noise on the merged model that is published, in multiples of the most that a member can change; the "
        "state stays exact (docs/explanation/privacy.md).",
        _RUN,
        Effect.SERVED,
        ge=0,
        le=1e3,
    )
    workers: int = option(
        0, "Processes that train side by side; 0 for one a core, on a cluster one a CPU.", _MACHINE, _FREE, ge=0
    )
    profile: str = option(
        DEFAULT_PROFILE,
        "On which machines a rerun has to give the same bits (docs/explanation/reproducibility.md).",
        _MACHINE,
        choices=PROFILES,
    )
    clients_per_gpu: int = option(
        1,
        "How many clients share a GPU; as many workers start for each (docs/how-to/gpu.md).",
        _MACHINE,
        _FREE,
        ge=1,
        le=64,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.leave and self.leave_count:
            raise BadInput("leave and leave-count exclude each other: give ids, or a number of clients")
        most = _WORKERS_PER_CORE * cores()
        if self.workers > most and not self.ray_address:
            raise BadInput(f"workers = {self.workers}: give 0 for one a core, or at most {most} on this machine")
        if self.messages and not (self.chat or self.is_custom):
            raise BadInput("messages are conversations, which the model's own chat template renders: give --chat")
        if self.generate and (self.task != LANGUAGE_MODELLING or self.choices):
            raise BadInput(f"generate belongs to --task {LANGUAGE_MODELLING} without choices")
        _ = self.grid
        if self.publish_noise and (self.shared_head or self.localise != OWN_LEVELS):
            raise BadInput(
                "publish-noise covers the merged model alone, and members are sent other sums too: give "
                f"shared-head = false and localise = {OWN_LEVELS!r}"
            )

    @property
    def model_settings(self) -> ModelSettings:
        """Which model learns what."""
        return self.part(ModelSettings)

    @property
    def tuning(self) -> TuningSettings:
        """The clients' tuning settings."""
        return self.part(TuningSettings)

    @property
    def grid(self) -> QuantisationGrid:
        """The quantisation grid."""
        if not self.levels:
            follows = grid_for(self.lr, self.tuning.reach, self.threshold)
            return dataclasses.replace(follows, max_magnitude=self.max_magnitude or follows.max_magnitude)
        share = min(1.0, _STEP_SHARE * self.levels)
        return QuantisationGrid(self.levels, self.max_magnitude or share * self.lr * self.tuning.reach, self.threshold)

    @property
    def localisations(self) -> tuple[str, ...]:
        """Under which members are served, to be scored; with noise nothing of the sums is published but the merge."""
        return (self.localise,) if self.publish_noise else ("paper", self.localise)

    @property
    def publication(self) -> Publication:
        """How the merged model is published."""
        return Publication(self.merge_scale, self.publish_noise)

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

    def changed_terms(self, recorded: Mapping[str, Any]) -> list[str]:
        """What a ledger was made with (by `to_user_config`) that would give other bits, as "key = value".

        A ledger that is older than an option was made with its default.
        """
        recorded = {**RunConfig().to_user_config(), **recorded}
        now, bits = self.to_user_config(), dict(zip(self.to_mapping(), self.options().values(), strict=True))
        binding = {key for key, each in bits.items() if each.effect is Effect.BITS}
        if self.partition:  # Among how many clients rows are split decides whose they are.
            binding.add("clients")
        return sorted(f"{key} = {recorded[key]}" for key in binding if now[key] != recorded[key])

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str = "configuration") -> Self:
        """A configuration from hyphened keys, as in a config.toml; what is not given has its default.

        A data set may have defaults of its own.

        Args:
            values: by their keys.
            source: what errors begin with.

        Raises:
            BadInput: an unknown key, or a value that is not valid.
        """
        if type(values.get("leave")) is int:
            raise BadInput(f"{source}: leave takes ids; for a number of clients write leave-count = {values['leave']}")
        return super().from_mapping({**defaults_of(values.get("dataset", DataSettings.dataset)), **values}, source)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_toml(path: Path) -> dict[str, Any]:
    """The keys of a config.toml.

    Raises:
        BadInput: no such file, or no TOML.
    """
    source = f"configuration {path}"
    return parse_toml(read_text(path, source), source)


def write_toml(config: RunConfig, path: Path) -> None:
    """Write a configuration that `read_toml` reads back: the run can be repeated from it."""
    write_whole(path, tomli_w.dumps(config.to_mapping()))
