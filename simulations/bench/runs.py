"""Whole runs: fedsift beside a bare loop and other frameworks, on the same model, data, seed and steps."""

import dataclasses
import subprocess
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted
from fedsift.data.loading import load_dataset
from fedsift.learning.reproducibility import worker_environment
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part, in_turn
from fedsift.studies.bench.processes import ARMS, PEAK_MEMORY, ArmFailed, ArmRun, run_arm

_MOST_ROUNDS = 3
_FEDSIFT, _STOCK, _BARE, _PFL, _BLAZEFL = "fedsift", "stock Flower", "bare loop", "pfl-research", "BlazeFL"
_HAS_SERVER = (_FEDSIFT, _STOCK, _BLAZEFL)  # The others have no process that only serves.


def measure_runs(config: RunConfig, rounds: int, blazefl_python: Path | None = None) -> Part:
    """Run every arm in turn, each in a process of its own, at most three rounds.

    All train on the CPU, in as many processes as there are workers, and score nothing. fedsift queries, merges into a
    ledger on disk and keeps masks; the bare loop tunes and sums up; the others average plain fine-tunings.

    Args:
        config: what is run.
        rounds: how often.
        blazefl_python: the Python of an environment with fedsift and BlazeFL, which needs a newer one than fedsift
            (`check_blazefl`); without, that arm is left out.

    Raises:
        BadInput: data or model cannot be used.
        ArmFailed: an arm failed, or the bare loop's sums differ from fedsift's.
    """
    from fedsift.learning.models import load_layout  # torch: not where options are only listed

    config = dataclasses.replace(config.leaving(), oracle=False, evaluate=False, device="cpu")
    clients = len(choose_clients(config, load_dataset(config)))
    workers, layout = min(config.worker_count, clients), load_layout(config.model_settings)
    fedavg: dict[str, Any] = {
        "clients": clients,
        "workers": workers,
        "profile": config.profile,
        "parameters": layout.size,
    }
    arms: dict[str, Callable[[], ArmRun]] = {
        _FEDSIFT: partial(run_arm, f"{ARMS}.fedsift_run", config),
        _STOCK: partial(run_arm, f"{ARMS}.stock_flower", config, **fedavg),
        _BARE: partial(run_arm, f"{ARMS}.bare_loop", config),
    }
    notes = [
        f"{clients} clients, {config.steps} steps each, {counted(workers, 'worker')}; "
        "a new process each time: no warm-up",
        "after start-up: from when all workers have loaded model and data",
        "fedsift and the bare loop: same sums",
    ]
    if has_pfl_research():
        arms[_PFL] = partial(run_arm, f"{ARMS}.pfl_research", config)
    else:
        notes.append("pfl-research not installed: pip install 'fedsift[bench]' (Python below 3.13)")
    if blazefl_python is not None:
        environment = worker_environment(config.profile, gpus=0)
        arms[_BLAZEFL] = partial(
            run_arm, f"{ARMS}.blazefl_run", config, python=str(blazefl_python), environment=environment
        )
    else:
        notes.append("BlazeFL left out: --blazefl-python says where it is (docs/explanation/speed.md)")
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
    if _BLAZEFL in results:
        notes.append(f"{_BLAZEFL} {results[_BLAZEFL][0].told['version']}: its pool of processes")
    return Part("whole runs", measurements, notes)


def has_pfl_research() -> bool:
    """Whether pfl-research can be imported."""
    return find_spec("pfl") is not None


def check_blazefl(python: Path) -> None:
    """See that an environment has what its arm needs, before minutes are spent.

    Raises:
        BadInput: it has not, or there is no such program.
    """
    wanted = [str(python), "-c", "import blazefl.contrib, fedsift.learning.models"]
    try:
        done = subprocess.run(wanted, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BadInput(f"blazefl-python = {python}: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise BadInput(f"blazefl-python = {python}: {lines[-1]}; it needs fedsift and blazefl[contrib]")


BENCHMARK = Benchmark(
    "runs",
    "Whole runs, beside a bare loop and other frameworks.",
    measure_runs,
    on_ray=True,
    check_blazefl=check_blazefl,
)
