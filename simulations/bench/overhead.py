"""What a run costs beside training: zero steps, an upload of 200,000 entries from each client, decoded and added."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms
from fedsift.core.quantisation import QuantisationGrid
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part, in_turn
from fedsift.studies.bench.processes import ARMS, PEAK_MEMORY, run_arm

_GRID = QuantisationGrid(levels=3, max_magnitude=1.0)
TERMS = UploadTerms(hashlib.sha256(b"zero steps").digest(), size=200_000, sign_seed=0, grid=_GRID)
LEDGER = "ledger bytes"
PARTS = "opening it", "one removal", "an audit"
DENSITY = 0.3  # share of the entries that a mask keeps; what clients of the default run keep
_CLIENTS = (500, 2_000, 10_000)
_MOST_STOCK_CLIENTS = 2_000
_MOST_ROUNDS = 3


def measure_overhead(config: RunConfig, rounds: int, clients: Sequence[int] = ()) -> Part:
    """Run fedsift and stock Flower with several numbers of clients, in turn, each run in a process of its own.

    Args:
        config: seeds, profile, workers, and whether these merge.
        rounds: how often, at most three times.
        clients: with how many clients they run, by default as the configuration says, or several; stock Flower with no
            more than it bears. fedsift with the first of these is what the others are compared with.

    Raises:
        ArmFailed: a run failed.
    """
    clients = clients or ([config.clients] if config.clients else _CLIENTS)
    fedavg = {"parameters": TERMS.size, "zero_steps": True}
    arms: list[tuple[str, int, str, dict[str, Any]]] = [("fedsift", count, "overhead_run", {}) for count in clients]
    arms += [("stock Flower", count, "stock_flower", fedavg) for count in clients if count <= _MOST_STOCK_CLIENTS]
    counts, calls = {}, {}
    for arm, count, module, settings in arms:
        row = f"{arm}, {count:,}"
        counts[row] = count
        told = {"clients": count, "workers": min(config.worker_count, count), "profile": config.profile, **settings}
        calls[row] = partial(run_arm, f"{ARMS}.{module}", config, **told)
    measurements = []
    for row, runs in in_turn(calls, min(rounds, _MOST_ROUNDS), warm_up=0).items():
        times = tuple(run.told["seconds"] / counts[row] * 1e3 for run in runs)
        measurements.append(Measurement(row, "after start-up, a client", "ms", times))
        peaks = tuple(run.told[PEAK_MEMORY] for run in runs)
        measurements.append(Measurement(row, "server's peak memory", "MiB", peaks))
        if PARTS[0] in runs[0].told:
            sizes = tuple(run.told[LEDGER] / 2**20 for run in runs)
            measurements.append(Measurement(row, "ledger", "MiB", sizes))
            for name in PARTS:
                took = tuple(run.told[name] * 1e3 for run in runs)
                measurements.append(Measurement(row, name, "ms", took))
    notes = [
        "a row is an arm and its number of clients",
        f"fedsift: {TERMS.size:,} entries at 2 bits, 30% kept, up; queried, decoded, checked, added, a ledger on disk",
        f"stock Flower: {TERMS.size:,} float32 down and up; averaged",
        f"{config.worker_count} workers; no warm-up: each run is a new process; neither server's process imports torch",
        f"stock Flower not beyond {_MOST_STOCK_CLIENTS:,}: it keeps all replies and asks for every node in each sweep",
    ]
    return Part("overhead, without a training", measurements, notes)


BENCHMARK = Benchmark("overhead", "Runs without a training.", measure_overhead, on_ray=True)
