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
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.ledger import Ledger
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.server_state import ServerState
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.model_settings import HIDDEN
from fedsift.learning.tuned_layers import chosen_layers
from fedsift.learning.tuning import Commitment, tune_magnitudes

CLEAR_REFS = Path("/proc/self/clear_refs")
SERVER_SIZE = 106_000_000
SERVER_CONSTANT = 40_000_000  # bytes: temporaries over slices of 2^20 entries, and SQLite's own
SERVER_TERMS = UploadTerms(b"L" * 32, SERVER_SIZE, 1, QuantisationGrid(3, 1.0, 0.7))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CLEAR_REFS.exists(), reason="peaks are read from Linux's /proc")]


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 26.0), ("bfloat16", 24.0)])
def test_a_client_needs_so_many_bytes_a_tuned_parameter(dtype: str, limit: float) -> None:
    """Tuning, with a commit step, and quantising 135 million parameters, beyond libraries and frozen weights."""
    measured = in_a_process("client", dtype)
    print(f"\nclient, {dtype}: {measured['bytes'] / measured['size']:.2f} bytes a tuned parameter")
    assert measured["size"] == 106_203_456
    assert measured["bytes"] <= limit * measured["size"]


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


def llama(dtype: torch.dtype, **shape: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM._from_config(LlamaConfig(tie_word_embeddings=True, **shape), dtype=dtype)


def tune_and_quantise(module: nn.Module) -> None:
    model = FlatModel(module, chosen_layers(module, HIDDEN))
    size = model.layout.size
    signs = torch.from_numpy(sign_vector(1, size))
    tokens = [torch.randint(0, 64, (1, 16)) for _ in range(2)]

    def loss(module: nn.Module, ids: Tensor) -> Tensor:
        value: Tensor = module(input_ids=ids, labels=ids).loss
        return value

    steps, grid = [[(ids, 1.0)] for ids in tokens], QuantisationGrid(3, 0.002, 0.2)
    magnitudes = tune_magnitudes(model, signs, steps, loss, lr=0.001, commitment=Commitment(grid, 2)).numpy()
    made, _, _ = quantise(magnitudes, UploadTerms(model.layout.digest, size, 1, grid))
    assert made.nonzero > size / 10


def measure_client(dtype: torch.dtype) -> dict[str, int]:
    torch.set_num_threads(1)
    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}
    tune_and_quantise(llama(dtype, vocab_size=64, intermediate_size=8, **tiny))  # Loads what is loaded at first use.
    libraries = resident("VmRSS")
    shape = {"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3}
    module = llama(dtype, vocab_size=49152, intermediate_size=1536, **shape)
    size = chosen_layers(module, HIDDEN).size
    frozen = (sum(parameter.numel() for parameter in module.parameters()) - size) * dtype.itemsize
    return {"bytes": peak(lambda: tune_and_quantise(module)) - libraries - frozen, "size": size}


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
    if what == "client":
        print(json.dumps(measure_client(getattr(torch, argument))))
    elif what == "uploads":
        print(json.dumps(make_uploads(Path(argument))))
    else:
        print(json.dumps(measure_server(Path(argument))))
