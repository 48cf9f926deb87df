"""Coding an upload, and adding it to both sums of a server: entries a second, on one core."""

import time
from collections.abc import Callable

import numpy as np

from fedsift.configuration.run_config import RunConfig
from fedsift.core.bit_packing import level_type
from fedsift.core.contribution import Contribution, UploadTerms, quantise
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.quantisation import QuantisationGrid, highest_level
from fedsift.core.running_sums import RunningSums
from fedsift.core.upload import Upload
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part, in_turn

_SIZE = 1 << 22
_MEMBERS = 500
# Bits a magnitude, with the share of entries that a mask of so fine a grid keeps.
_SETTINGS = ((2, 0.3), (1, 0.3), (4, 0.4), (8, 0.4), (12, 0.5), (16, 0.5), (15, 0.5))
_PLAIN = "plain int64 addition"


def measure_codec(config: RunConfig, rounds: int, size: int = _SIZE) -> Part:
    """Time coding and summing of uploads of so many entries, drawn from the configuration's seed."""
    measured = []
    for bits, density in _SETTINGS:
        arm = f"{bits} bits, {density:.0%} kept" if bits > 1 else f"1 bit, {density:.0%} kept"
        measured += _measured(arm, _jobs(bits, density, config.seed, size), rounds, size)
    sums, levels = np.zeros(size, np.int64), np.ones(size, np.int64)
    measured += _measured(_PLAIN, {"decode and add": lambda: np.add(sums, levels, out=sums)}, rounds, size)
    return Part("uploads coded and added, one core", measured)


def _jobs(bits: int, density: float, seed: int, size: int) -> dict[str, Callable[[], object]]:
    """What is timed, by the name of the column."""
    generator = np.random.Generator(np.random.Philox(key=[seed, bits]))
    terms = UploadTerms(bytes(32), size, 1, QuantisationGrid(highest_level(bits), 1.0))
    kept = generator.random(size) < density
    levels = (generator.integers(1, terms.grid.levels, size, endpoint=True) * kept).astype(level_type(bits))
    magnitudes = (levels * terms.grid.step).astype(np.float32)
    upload = Upload(Contribution.from_levels(levels, terms))
    sent = upload.to_bytes()
    sums, checksum = RunningSums(terms, _MEMBERS), LinearChecksum(seed, terms)

    def decode_and_subtract() -> None:
        sums.add(upload)
        sums.subtract(upload)

    return {
        "encode": lambda: Contribution.from_levels(levels, terms),
        "quantise and encode": lambda: quantise(magnitudes, terms),
        "check": lambda: Upload.from_bytes(sent, terms),
        "decode and add": lambda: sums.add(upload),
        "add and subtract": decode_and_subtract,
        "checksum": lambda: checksum.of_upload(upload),
    }


def _measured(arm: str, jobs: dict[str, Callable[[], object]], rounds: int, size: int) -> list[Measurement]:
    def rate(job: Callable[[], object]) -> Callable[[], float]:
        def timed() -> float:
            started = time.perf_counter()
            job()
            return size / (time.perf_counter() - started) / 1e6

        return timed

    rates = in_turn({name: rate(job) for name, job in jobs.items()}, rounds)
    return [Measurement(arm, name, "M entries/s", tuple(values)) for name, values in rates.items()]


BENCHMARK = Benchmark("codec", "Coding an upload and adding it to the sums.", measure_codec)
