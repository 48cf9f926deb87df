"""What can be said of GPUs on a machine without one: messages, fingerprints, and the arithmetic that is a GPU's."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput, Refused
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from fedsift.core.sign_vector import sign_vector
from fedsift.learning import flat_model
from fedsift.learning.device import gpu_facts, to_host, torch_device
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.reproducibility import environment_fingerprint
from fedsift.learning.tuning import tune_magnitudes
from tests.core.uploads import terms, upload
from tests.learning import test_gradient as gradient


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Torch says that there is an H100, and `nvidia-smi` which driver it has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 550.54.15\necho 550.54.15\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpu_facts.cache_clear()
    yield monkeypatch
    gpu_facts.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_device("auto") == torch_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(BadInput, match=r"no CUDA device is seen by torch \(.* is built without CUDA"):
        torch_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(BadInput, match="CUDA_VISIBLE_DEVICES is 7"):
        torch_device("cuda")


def test_the_fingerprint_has_the_gpu_where_it_trains(gpu: pytest.MonkeyPatch) -> None:
    on_cpu, on_gpu = environment_fingerprint(), environment_fingerprint(device="cuda")
    assert on_cpu["device"] == "cpu"
    assert dict(on_gpu.items() - on_cpu.items()) == {
        "device": "NVIDIA H100 80GB HBM3",
        "cuda": "12.8",
        "driver": "550.54.15",
        "cublas_workspace": ":4096:8",  # `make_deterministic` has set it.
    }
    assert environment_fingerprint(device="auto") == on_gpu
    gpu.setenv("PATH", "")
    gpu_facts.cache_clear()
    assert environment_fingerprint(device="cuda")["driver"] == ""


def test_a_rerun_on_another_gpu_is_refused_and_why(gpu: pytest.MonkeyPatch) -> None:
    there = environment_fingerprint(device="cuda")
    here = {**there, "device": "NVIDIA A100-SXM4-80GB", "driver": "535.1"}
    member, rerun = (Training(b"d" * 32, json.dumps(each, sort_keys=True), 5, 0) for each in (there, here))
    state = ServerState.create(None, terms(4), capacity=2)
    state.merge("ann", upload([1, 0, 2, 0]), member)
    before = state.digest()
    reason = (
        r"same data, another environment \(device is 'NVIDIA A100-SXM4-80GB', then 'NVIDIA H100 80GB HBM3'; "
        r"driver is '535.1', then '550.54.15'\)"
    )
    with pytest.raises(Refused, match=reason):
        state.stage_removal("ann", upload([1, 0, 1, 0]), rerun)
    assert state.digest() == before


def test_a_gpu_without_memory_is_told_in_a_line() -> None:
    def loss(module: nn.Module, batch: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")

    model = gradient.flat(gradient.Layers())
    signs = torch.ones(model.layout.size, dtype=torch.int8)
    with pytest.raises(BadInput, match=r"^CUDA out of memory: give a lower clients-per-gpu or micro-batch"):
        tune_magnitudes(model, signs, [[(torch.ones(1), 1.0)]], loss, 0.01)


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> FlatModel:
    """A model that is handled as a GPU's is: all parameters as one, in large slices."""
    with monkeypatch.context() as patch:
        patch.setattr(flat_model, "_SMALL", 1 << 40)
        patch.setattr(flat_model, "_SLICE", flat_model._SLICE_OF_GPU)
        return gradient.flat(gradient.Layers())


@pytest.mark.parametrize("shares", [[1.0], [0.25, 0.75]])
def test_all_parameters_as_one_have_the_same_bits(monkeypatch: pytest.MonkeyPatch, shares: list[float]) -> None:
    """What a GPU moves at once, a CPU moves part by part within the backward pass."""
    parts, whole = gradient.flat(gradient.Layers()), as_on_a_gpu(monkeypatch)
    assert (len(whole.base), len(whole.runs), len(list(whole.slices()))) == (1, 1, 1)
    assert len(parts.runs) > len(whole.runs)
    torch.manual_seed(3)
    signs = torch.from_numpy(sign_vector(5, parts.layout.size))
    steps = [[(torch.randn(4, gradient.WIDTH), share) for share in shares] for _ in range(4)]
    found = [tune_magnitudes(model, signs, steps, gradient.loss, 0.01) for model in (parts, whole)]
    assert found[0].any()
    assert torch.equal(*found)
    assert torch.equal(parts.weights, whole.weights)
    assert parts.base_digest() == whole.base_digest()


def test_what_is_on_the_host_stays() -> None:
    tensor = torch.ones(3)
    assert to_host(tensor) is tensor
