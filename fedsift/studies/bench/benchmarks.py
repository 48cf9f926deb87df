"""The benchmarks, and the figures of several of them together."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fedsift.configuration.run_config import RunConfig, cores
from fedsift.core.registration import registered
from fedsift.learning.reproducibility import environment_fingerprint
from fedsift.studies.bench.measurement import Part


@dataclass(frozen=True)
class Benchmark:
    """A part of `fedsift bench`; one file of `simulations/bench` each.

    Attributes:
        name: of its option.
        help: of its option.
        measure: takes a configuration, and in how many rounds to measure.
        on_ray: whether it starts Ray.
    """

    name: str
    help: str
    measure: Callable[[RunConfig, int], Part]
    on_ray: bool = False


# By name. The command line lists them, so that their files import nothing heavy before they measure.
BENCHMARKS = registered("fedsift.simulations.bench", Benchmark)


def figures(parts: Mapping[str, Part]) -> dict[str, Any]:
    """All figures for machines, with the machine that they are of."""
    machine = {**environment_fingerprint(), "cores": cores(), "platform": platform.platform()}
    return {"machine": machine, "parts": {name: part.to_json() for name, part in parts.items()}}
