"""Reading a csv of many clients: seconds and memory, beside pyarrow.csv alone."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fedsift.configuration.run_config import RunConfig
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part, in_turn
from fedsift.studies.bench.processes import ARMS, run_arm

FEDSIFT = "fedsift"
_ARMS = ("pyarrow.csv", FEDSIFT)
_ROWS = (1_000_000, 4_000_000)
_CLIENTS = 100_000


def measure_reading(config: RunConfig, rounds: int, rows: Sequence[int] = _ROWS) -> Part:
    """Read files of several sizes, each time in a process of its own.

    Args:
        config: is handed on.
        rounds: how often.
        rows: of the files.

    Raises:
        ArmFailed: an arm failed.
    """
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        for count in rows:
            file = Path(folder) / f"{count}.csv"
            _write(file, count)
            calls = {arm: partial(run_arm, f"{ARMS}.reading_run", config, arm=arm, file=str(file)) for arm in _ARMS}
            for arm, runs in in_turn(calls, rounds).items():
                for quantity, unit in (("read", "s"), ("kept", "MiB")):
                    values = tuple(run.told[quantity] for run in runs)
                    measurements.append(Measurement(arm, f"{count:,} rows {quantity}", unit, values))
    notes = [
        f"{_CLIENTS:,} clients, three columns, about 53 bytes a row; kept: in memory, mapped files apart",
        "pyarrow.csv: read_csv, which guesses types and keeps the table in memory",
        f"{FEDSIFT}: texts in a memory-mapped file, no cell empty, rows by client",
    ]
    return Part("reading a csv", measurements, notes)


def _write(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8") as lines:
        lines.write("user,question,answer\n")
        # A prime step takes the clients in an order that is not that of the file, each as often as the others.
        lines.writelines(
            f'user-{row * 7_919 % _CLIENTS:06d},"What is number {row}, and why?",answer {row % 977}\n'
            for row in range(rows)
        )


BENCHMARK = Benchmark("reading", "Reading a csv of 100,000 clients.", measure_reading)
