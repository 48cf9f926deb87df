"""The bits of a contribution, from processes of their own."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from fedsift.core.errors import Refused
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from fedsift.learning.reproducibility import DEFAULT_PROFILE, PROFILES, environment_fingerprint, worker_environment
from tests.learning.train_one import CLIENT, terms, train

CARELESS = """
import random, numpy, runpy, sys, torch
torch.set_num_threads(2), torch.manual_seed(9), torch.rand(3), random.seed(3), numpy.random.seed(4)
sys.argv = ["train_one", "2"]
runpy.run_module("tests.learning.train_one", run_name="__main__")
"""


def train_one(
    *program: str, profile: str = DEFAULT_PROFILE, processor: str = "", variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Upload and environment of one training, by the processor named if it is emulated, with further variables."""
    emulator = ["qemu-x86_64", "-cpu", processor] if processor else []
    program = program or ("-m", "tests.learning.train_one")
    own = {name: value for name, value in os.environ.items() if name not in PROFILES[DEFAULT_PROFILE]}
    environment = {**own, **PROFILES[profile], **(variables or {})}
    command = [*emulator, os.path.realpath(sys.executable) if emulator else sys.executable, *program]
    if emulator:  # The emulator starts the interpreter itself, which then does not know of its virtual environment.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    read: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return read


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return train_one()


def test_a_rerun_gives_the_same_bits(trained: dict[str, Any]) -> None:
    """Whatever ran before in the process: other clients, other threads, global generators."""
    assert train_one("-c", CARELESS)["upload"] == trained["upload"]


def test_these_tests_run_under_the_profile(trained: dict[str, Any]) -> None:
    """What they train in their own process may be held against workers bit by bit."""
    here = train()
    assert (here["upload"], here["environment"]) == (trained["upload"], trained["environment"])


VARIABLES = [
    *("MKL_ENABLE_INSTRUCTIONS", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "NVIDIA_TF32_OVERRIDE"),
    *("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES", "LD_PRELOAD", "TORCH_BLAS_PREFER_CUBLASLT"),
]


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_of_libraries_that_compute_are_in_the_fingerprint(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name, raising=False)
    before = environment_fingerprint()
    monkeypatch.setenv(name, "1")
    assert environment_fingerprint() == {**before, name: "1"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATEN_CPU_CAPABILITY", "default"),
        ("MKL_CBWR", "COMPATIBLE"),
        ("MKL_ENABLE_INSTRUCTIONS", "SSE4_2"),
        ("DNNL_MAX_CPU_ISA", "SSE41"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("MKL_NUM_THREADS", "2"),
        ("OMP_NUM_THREADS", "2"),
        ("OPENBLAS_NUM_THREADS", "2"),
        ("TORCH_MKLDNN_MATMUL_MIN_DIM", "0"),
    ],
)
def test_a_variable_that_changes_bits_is_in_the_fingerprint(trained: dict[str, Any], name: str, value: str) -> None:
    """Where somebody sets it within the worker's own environment, on top of the profile."""
    other = train_one(variables={name: value})
    assert other["environment"].get(name) == value or other["upload"] == trained["upload"]


def test_a_worker_without_gpus_sees_none() -> None:
    assert worker_environment("fast", gpus=0) == {"TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    portable = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE"}
    assert worker_environment("portable", gpus=0.5) == {**portable, "TOKENIZERS_PARALLELISM": "false"}


def test_the_processor_is_named() -> None:
    fingerprint = environment_fingerprint()
    assert fingerprint["torch"]
    assert fingerprint["processor"]


@pytest.mark.slow
def test_emulated_processors() -> None:
    """One digest everywhere under `portable`, one a vendor under `vendor`; a removal elsewhere is refused by name."""
    if shutil.which("qemu-x86_64") is None:
        pytest.skip("needs qemu-x86_64 (Debian: qemu-user)")
    processors = ["", "EPYC-Rome", "Haswell", "Skylake-Client"]
    profiles = ("vendor", "portable")
    found = {profile: {each: train_one(profile=profile, processor=each) for each in processors} for profile in profiles}
    for profile, trainings in found.items():
        for name, training in trainings.items():
            beginning = hashlib.sha256(bytes.fromhex(training["upload"])).hexdigest()[:16]
            print(f"{profile:<9} {name or 'native':<15} {beginning}  {training['environment']['processor']}")
    assert len({training["upload"] for training in found["portable"].values()}) == 1
    vendor = {name: training["upload"] for name, training in found["vendor"].items()}
    assert vendor["Haswell"] == vendor["Skylake-Client"] != vendor["EPYC-Rome"]

    def state_of(training: dict[str, Any]) -> ServerState:
        state = ServerState.create(None, terms(), 2)
        state.merge(CLIENT, bytes.fromhex(training["upload"]), told(training))
        return state

    def told(training: dict[str, Any]) -> Training:
        return Training(b"d" * 32, json.dumps(training["environment"], sort_keys=True), 5, 0)

    here, elsewhere = found["vendor"]["EPYC-Rome"], found["vendor"]["Haswell"]
    state = state_of(here)
    digest = state.digest()
    with pytest.raises(Refused, match=r"same data, another environment .*processor is 'Intel"):
        state.stage_removal(CLIENT, bytes.fromhex(elsewhere["upload"]), told(elsewhere))
    assert state.digest() == digest
    here, elsewhere = found["portable"]["EPYC-Rome"], found["portable"]["Haswell"]
    state_of(here).remove(CLIENT, bytes.fromhex(elsewhere["upload"]), told(elsewhere))
