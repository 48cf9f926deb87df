"""Arms that run in a process of their own: none inherits another's memory, caches or threads."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsift.core.errors import FedsiftError
from fedsift.learning.reproducibility import worker_environment

if TYPE_CHECKING:
    from fedsift.configuration.run_config import RunConfig

ARMS = "fedsift.simulations.bench.arms"  # the package of their modules
_STATUS = Path("/proc/self/status")


class ArmFailed(FedsiftError):
    """An arm ended without a result."""

    exit_code = 1


@dataclass(frozen=True)
class ArmRun:
    """What an arm's process did."""

    whole: float  # seconds from its start to its end, libraries, model, workers and all
    told: dict[str, Any]  # what it told at its end; `PEAK_MEMORY` is always in it


PEAK_MEMORY = "peak memory"  # of the arm's own process, without its workers; MiB


def run_arm(
    module: str,
    config: "RunConfig",
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] = {},
    **settings: Any,
) -> ArmRun:
    """Run `python -m module` to its end.

    Args:
        module: one that calls `answer` when it is run.
        config: what it is to measure.
        python: the interpreter, of an environment that has fedsift.
        environment: variables that it has beside those of this process.
        settings: what `answer` hands on as keywords.

    Raises:
        ArmFailed: it ended with an error; the message has the last line that it wrote.
    """
    order = json.dumps({"config": config.to_user_config(), "settings": settings})
    started = time.perf_counter()
    done = subprocess.run(
        [python, "-m", module],
        input=order,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    whole = time.perf_counter() - started
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ArmFailed(f"{module}: {lines[-1]}")
    return ArmRun(whole, json.loads(done.stdout.splitlines()[-1]))


def answer(measure: Callable[..., dict[str, Any]]) -> None:
    """The other side of `run_arm`: call `measure` with the configuration and settings, and tell what it returns.

    The configuration comes as Flower's run_config, so that an arm may do without torch, which `RunConfig` needs.
    """
    order = json.load(sys.stdin)
    told = measure(order["config"], **order["settings"])
    sys.stdout.write("\n" + json.dumps({**told, PEAK_MEMORY: _peak_memory()}) + "\n")


def set_worker_environment(profile: str, gpus: int = 0) -> None:
    """Give processes that this one starts the environment of fedsift's workers; torch reads it when imported."""
    os.environ.update(worker_environment(profile, gpus))


def memory(key: str) -> float | None:
    """What Linux tells of this process under a key such as VmHWM, MiB; None on other systems."""
    if not _STATUS.exists():
        return None
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024


def _peak_memory() -> float:
    """Of this process since its program began, MiB.

    Linux's getrusage also counts the process that started this one, and children; /proc does not.
    """
    if (told := memory("VmHWM")) is not None:
        return told
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
