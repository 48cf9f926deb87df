"""The benchmarks by name, and the figures of several of them together."""

import platform
from collections.abc import Mapping
from typing import Any

from fedsift.configuration.run_config import cores
from fedsift.core.registration import registered
from fedsift.learning.reproducibility import environment_fingerprint
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Part

BENCHMARKS = registered("fedsift.simulations.bench", Benchmark)


def figures(parts: Mapping[str, Part]) -> dict[str, Any]:
    """All figures for machines, with the machine that they are of."""
    machine = {**environment_fingerprint(), "cores": cores(), "platform": platform.platform()}
    return {"machine": machine, "parts": {name: part.to_json() for name, part in parts.items()}}
