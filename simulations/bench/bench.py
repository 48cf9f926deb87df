"""The parts of `fedsift bench`, and the figures of all of them together."""

import platform
from collections.abc import Callable, Mapping
from typing import Any

from fedsift.configuration.run_config import RunConfig, cores
from fedsift.learning.reproducibility import environment_fingerprint
from fedsift.simulations.bench.bits import measure_bits
from fedsift.simulations.bench.codec import measure_codec
from fedsift.simulations.bench.measurement import Part
from fedsift.simulations.bench.overhead import measure_overhead
from fedsift.simulations.bench.reading import measure_reading
from fedsift.simulations.bench.runs import measure_runs
from fedsift.simulations.bench.step import measure_step

# Each takes a configuration, and in how many rounds to measure.
PARTS: dict[str, Callable[[RunConfig, int], Part]] = {
    "runs": measure_runs,
    "overhead": measure_overhead,
    "step": measure_step,
    "codec": measure_codec,
    "reading": measure_reading,
    "bits": measure_bits,
}
ON_RAY = {"runs", "overhead", "bits"}


def figures(parts: Mapping[str, Part]) -> dict[str, Any]:
    """All figures for machines, with the machine that they are of."""
    machine = {**environment_fingerprint(), "cores": cores(), "platform": platform.platform()}
    return {"machine": machine, "parts": {name: part.to_json() for name, part in parts.items()}}
