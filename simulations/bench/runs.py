"""Whole runs: fedsift beside stock Flower, a bare loop and pfl-research, on the same model, data, seed and steps."""

import dataclasses
from functools import partial
from importlib.util import find_spec

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import load_dataset
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part, in_turn
from fedsift.studies.bench.processes import ARMS, PEAK_MEMORY, ArmFailed, run_arm

_MOST_ROUNDS = 3
_FEDSIFT, _STOCK, _BARE, _PFL = "fedsift", "stock Flower", "bare loop", "pfl-research"
_HAS_SERVER = (_FEDSIFT, _STOCK)  # The others have no process that only serves.


def measure_runs(config: RunConfig, rounds: int) -> Part:
    """Run every arm in turn, each in a process of its own, at most three rounds.

    All train on the CPU, in as many processes as there are workers, and score nothing. fedsift queries, merges into a
    ledger on disk and keeps masks; the bare loop tunes and sums up; the other two average plain fine-tunings.

    Raises:
        BadInput: data or model cannot be used.
        ArmFailed: an arm failed, or the bare loop's sums differ from fedsift's.
    """
    from fedsift.learning.models import load_layout  # torch: not where options are only listed

    config = dataclasses.replace(config.leaving(), oracle=False, evaluate=False, device="cpu")
    clients = len(choose_clients(config, load_dataset(config)))
    workers, layout = min(config.worker_count, clients), load_layout(config.model_settings)
    modules = {_FEDSIFT: "fedsift_run", _STOCK: "stock_flower", _BARE: "bare_loop"}
    if has_pfl_research():
        modules[_PFL] = "pfl_research"
    fedavg = {"clients": clients, "workers": workers, "profile": config.profile, "parameters": layout.size}
    arms = {
        name: partial(run_arm, f"{ARMS}.{module}", config, **(fedavg if name == _STOCK else {}))
        for name, module in modules.items()
    }
    results = in_turn(arms, min(rounds, _MOST_ROUNDS), warm_up=0)
    sums = {run.told["sums"] for name in (_FEDSIFT, _BARE) for run in results[name]}
    if len(sums) != 1:
        found = ", ".join(sorted(sums))
        raise ArmFailed(f"fedsift and the bare loop should have the same sums, but there are: {found}")
    measurements = []
    for name, done in results.items():
        measurements.append(Measurement(name, "after start-up", "s", tuple(run.told["seconds"] for run in done)))
        measurements.append(Measurement(name, "whole command", "s", tuple(run.whole for run in done)))
        if name in _HAS_SERVER:
            peaks = tuple(run.told[PEAK_MEMORY] for run in done)
            measurements.append(Measurement(name, "server's peak memory", "MiB", peaks))
    notes = [
        f"{clients} clients, {config.steps} steps each, {workers} workers; a new process each time: no warm-up",
        "after start-up: from when all workers have loaded model and data",
        "fedsift and the bare loop: same sums",
    ]
    if _PFL not in modules:
        notes.append("pfl-research not installed: pip install 'fedsift[bench]' (Python below 3.13)")
    return Part("whole runs", measurements, notes)


def has_pfl_research() -> bool:
    """Whether pfl-research can be imported."""
    return find_spec("pfl") is not None


BENCHMARK = Benchmark("runs", "Whole runs, beside stock Flower and a bare loop.", measure_runs, on_ray=True)
