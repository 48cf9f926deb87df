"""Peak memory at real sizes, each measured in a process of its own: `python -m tests.core.test_memory WHAT ...`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.ledger import Ledger
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.server_state import ServerState
from fedsift.studies.bench.processes import ARMS, run_arm

CLEAR_REFS = Path("/proc/self/clear_refs")
SERVER_SIZE = 106_000_000
SERVER_CONSTANT = 40_000_000  # bytes: temporaries over slices of 2^20 entries, and SQLite's own
SERVER_TERMS = UploadTerms(b"L" * 32, SERVER_SIZE, 1, QuantisationGrid(3, 1.0, 0.7))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CLEAR_REFS.exists(), reason="peaks are read from Linux's /proc")]


@pytest.mark.parametrize(
    ("dtype", "moments", "limit"),
    [("float32", "float32", 16.3), ("bfloat16", "float32", 14.3), ("float32", "bfloat16", 12.3)],
)
def test_a_client_needs_so_many_bytes_a_tuned_parameter(dtype: str, moments: str, limit: float) -> None:
    """Tuning, with a commit step, and quantising 106 million parameters, beyond libraries and M0."""
    told = run_arm(f"{ARMS}.memory_run", RunConfig(), dtype=dtype, moments=moments).told
    assert told["tuned"] == 106_203_456
    own = told["bytes"] - getattr(torch, dtype).itemsize * told["parameters"]
    print(f"\nclient, {dtype}, moments in {moments}: {own / told['tuned']:.2f} bytes a tuned parameter")
    assert own <= limit * told["tuned"]


def test_a_server_needs_its_sums_and_one_upload(tmp_path: Path) -> None:
    """From a new ledger over merges, a journal taken up and a fold to a removal: 16 bits for each S and each C."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        in_a_process("uploads", folder)
        measured = in_a_process("server", folder)
    beyond = measured["bytes"] - 4 * SERVER_SIZE - measured["upload"]
    total, upload = measured["bytes"] / SERVER_SIZE, measured["upload"] / SERVER_SIZE
    print(f"\nserver: {total:.2f} bytes a parameter = 4 + {upload:.2f} for an upload + {beyond / 1e6:.0f} MB")
    assert beyond <= SERVER_CONSTANT


def in_a_process(*arguments: str) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.core.test_memory", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return result


def resident(field: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def peak(work: Callable[[], object]) -> int:
    """The most that this process had in memory while it did the work."""
    CLEAR_REFS.write_text("5", encoding="utf-8")  # VmHWM begins anew.
    work()
    return resident("VmHWM")


def make_uploads(folder: Path) -> dict[str, int]:
    """Three that keep 30% of the entries."""
    for client in range(3):
        magnitudes = np.random.default_rng(client).random(SERVER_SIZE, np.float32)
        (folder / f"client {client}").write_bytes(quantise(magnitudes, SERVER_TERMS).contribution.to_bytes())
    return {}


def measure_server(folder: Path) -> dict[str, int]:
    path = folder / "ledger.sqlite"

    def work() -> None:
        state = ServerState.create(path, SERVER_TERMS, capacity=500)
        for client in range(3):
            state.merge(f"client {client}", (folder / f"client {client}").read_bytes())
        state.ledger.close()
        del state
        state = ServerState(Ledger.open(path))
        state.fold()
        state.remove("client 1", (folder / "client 1").read_bytes())
        state.ledger.close()

    libraries = resident("VmRSS")
    return {"bytes": peak(work) - libraries, "upload": (folder / "client 0").stat().st_size}


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    if what == "uploads":
        print(json.dumps(make_uploads(Path(argument))))
    else:
        print(json.dumps(measure_server(Path(argument))))
