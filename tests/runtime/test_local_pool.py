"""Workers that are processes of this machine do what Ray's do, bit for bit, and end with whoever started them."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.learning.reproducibility import DEFAULT_PROFILE, worker_environment
from fedsift.runs.federate import federate, merging
from fedsift.runtime.in_flight import NoWorkers, WorkerDied
from fedsift.runtime.local_pool import LocalPool
from fedsift.runtime.worker import CLIENT_APP
from fedsift.runtime.worker_pool import WorkerPool
from tests.runtime import calls

THREE = {f"client {place}": place for place in range(3)}


@pytest.fixture(scope="module")
def local() -> Iterator[LocalPool]:
    pool = LocalPool(CLIENT_APP, 1, worker_environment(DEFAULT_PROFILE, gpus=0))
    yield pool
    pool.stop()


@pytest.mark.parametrize("partial_sums", [False, True])
def test_the_same_bits_as_on_ray(
    local: LocalPool, pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path, partial_sums: bool
) -> None:
    """All that is merged and removed, and the fingerprint of where."""
    config = merging(dataclasses.replace(tiny_config, partial_sums=partial_sums), leavers=["client 1"])
    outcomes = []
    for place, each in enumerate((local, pool)):
        masks = tmp_path / f"{place}"
        masks.mkdir()
        outcomes.append(federate(each, config, THREE, ledger=tmp_path / f"{place}.sqlite", masks=masks))
    here, on_ray = outcomes
    assert (here.state_digest, here.member_digests) == (on_ray.state_digest, on_ray.member_digests)
    assert here.environments == on_ray.environments
    assert [body.verdict for body in here.receipts] == [body.verdict for body in on_ray.receipts] == ["BIT_EXACT"]
    masks_here, masks_on_ray = (sorted((tmp_path / f"{place}").iterdir()) for place in range(2))
    assert [file.read_bytes() for file in masks_here] == [file.read_bytes() for file in masks_on_ray]
    assert len(masks_here) == 2


def test_a_dead_worker_is_replaced(local: LocalPool, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("x\n", encoding="utf-8")
    arguments = ((f"{number}", (number, deaths)) for number in range(5))
    assert dict(local.map(calls.squared_at_last, arguments)) == {f"{number}": number**2 for number in range(5)}
    assert len(local) == 1


def test_mistakes_and_other_errors(local: LocalPool, tiny_config: RunConfig) -> None:
    with pytest.raises(BadInput, match="7 is no row"):
        list(local.map(calls.refused, [("only", (7,))]))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(local.map(divmod, [("only", (1, 0))]))
    with pytest.raises(BadInput, match="does not exist"):
        local.prepare(dataclasses.replace(tiny_config, model="./nowhere").to_user_config())


def test_what_cannot_start(tiny_config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = LocalPool("tests.no_such_module:app", 1, {})
    with pytest.raises(RuntimeError, match="no_such_module"):
        missing.prepare({})
    missing.stop()
    monkeypatch.setattr("sys.executable", "/bin/false")
    dead = LocalPool(CLIENT_APP, 1, {})
    with pytest.raises(NoWorkers, match="its process ended"):
        dead.prepare({})
    with pytest.raises(WorkerDied, match="only: its worker died 3 times"):
        list(dead.map(calls.squared, [("only", (1,))]))
    dead.stop()


STARTS = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background job, as tests may be, ignores it.
from fedsift.runtime.local_pool import LocalPool
pool = LocalPool("tests.runtime.calls:squared", 2, {})
print(*(each._process.pid for each in pool._load), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    "ending",
    [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.exhaustive) for each in (signal.SIGTERM, signal.SIGINT))],
)
def test_workers_end_with_their_command(ending: signal.Signals) -> None:
    command = subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert command.stdout
    workers = [psutil.Process(int(each)) for each in command.stdout.readline().split()]
    assert len(workers) == 2
    os.kill(command.pid, ending)
    command.wait()
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in workers):
        time.sleep(0.05)
    command.stdout.close()
