"""What a run takes, held against what `fedsift plan` says: memory of server and client, an upload, the ledger."""

from functools import partial
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.simulations.bench.overhead import DENSITY, TERMS
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part, in_turn
from fedsift.studies.bench.processes import ARMS, PEAK_MEMORY, ArmRun, memory, run_arm
from fedsift.studies.plan.assumptions import PRECISIONS, Assumptions
from fedsift.studies.plan.footprint import Footprint

TOLERANCE = 0.1
_SIZE = 1 << 26  # of the server's vectors
_CLIENTS = 6
_MIB = 2**20


def measure_memory(config: RunConfig, rounds: int, size: int = _SIZE) -> Part:
    """Measure at sizes where libraries and constants are small beside what grows, each arm in a process of its own.

    Args:
        config: seeds and profile.
        rounds: how often.
        size: tuned parameters of the server's clients, which upload without a training.

    Raises:
        ArmFailed: a run failed.
    """
    title = "memory and files, beside fedsift plan"
    if memory("VmHWM") is None:
        return Part(title, [], ["peaks are read from Linux's /proc, which is not there"])
    server: dict[str, Any] = {"clients": _CLIENTS, "workers": 1, "profile": config.profile, "size": size}
    calls = {"server": partial(run_arm, f"{ARMS}.overhead_run", config, **server)}
    clients: dict[str, dict[str, Any]] = {dtype: {"dtype": dtype, "moments": "float32"} for dtype in PRECISIONS}
    clients["float32, moments in bfloat16"] = {"dtype": "float32", "moments": "bfloat16"}
    calls |= {row: partial(run_arm, f"{ARMS}.memory_run", config, **types) for row, types in clients.items()}
    runs = in_turn(calls, rounds, warm_up=0)
    plan = _planned(model_parameters=size, clients=_CLIENTS, levels=TERMS.grid.levels, density=DENSITY)
    rows = {
        "server's memory": (plan.server_bytes, [_server_bytes(run) for run in runs["server"]]),
        "an upload": (plan.upload_bytes, [run.told["upload bytes"] for run in runs["server"]]),
        "the ledger": (plan.ledger_bytes, [run.told["ledger bytes"] for run in runs["server"]]),
    }
    for row, types in clients.items():
        told = [run.told for run in runs[row]]
        plan = _planned(model_parameters=told[0]["parameters"], tuned=told[0]["tuned"], **types)
        rows[f"client's memory, {row}"] = plan.client_bytes, [each["bytes"] for each in told]
    measurements, outside = [], []
    for row, (planned, measured) in rows.items():
        shares = tuple(each / planned for each in measured)
        measurements += [
            Measurement(row, "measured", "MB", tuple(each / 1e6 for each in measured)),
            Measurement(row, "fedsift plan", "MB", (planned / 1e6,)),
            Measurement(row, "measured / plan", "", shares),
        ]
        if any(abs(share - 1) > TOLERANCE for share in shares):
            outside.append(row)
    told_off = f"NOT within {TOLERANCE:.0%}: {', '.join(outside)}" if outside else f"all within {TOLERANCE:.0%}"
    notes = [
        told_off,
        f"server: {size:,} entries, {_CLIENTS} clients that upload without a training; without libraries and the "
        "object store that Ray shares with workers",
        "client: 106 million parameters, random; two steps of a row, one a commit step; without libraries",
    ]
    return Part(title, measurements, notes, compared=False)


def _planned(**assumed: float | str) -> Footprint:
    return Footprint(Assumptions(**assumed))  # type: ignore[arg-type]


def _server_bytes(run: ArmRun) -> float:
    told = run.told
    return float(told[PEAK_MEMORY] - told["shared memory"] - told["libraries"]) * _MIB


BENCHMARK = Benchmark("memory", "What fedsift plan says, held against runs.", measure_memory, on_ray=True)
