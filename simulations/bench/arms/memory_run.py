"""The memory of a client, in a process that does nothing else: a tuning of a model with random weights."""

from pathlib import Path
from typing import Any

import torch
from flwr.app import UserConfig
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.model_settings import HIDDEN
from fedsift.learning.reproducibility import make_deterministic
from fedsift.learning.tuned_layers import chosen_layers
from fedsift.learning.tuning import Commitment, tune_magnitudes
from fedsift.studies.bench.processes import PEAK_MEMORY, answer, memory

BYTES, PARAMETERS, TUNED = "bytes", "parameters", "tuned"
_VOCABULARY, _TOKENS = 64, 2  # Few: activations are not what is measured.
_CLEAR = Path("/proc/self/clear_refs")
# As of a model with 135 million parameters, but for a small vocabulary: 106 million.
_SHAPE = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
_TINY = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}


class _Signs:
    """The sign vector of a seed, made by slices."""

    def __getitem__(self, entries: slice) -> Tensor:
        return torch.from_numpy(sign_vector(1, entries.stop - entries.start, entries.start))


def measure(_: UserConfig, dtype: str, moments: str) -> dict[str, Any]:
    """The most bytes that a tuning takes, M0 among them, beyond libraries; and how large the model is.

    Weights are of one type, and Adam's moments are kept in another.
    """
    make_deterministic()
    _tune_and_quantise(_llama(dtype, _TINY), moments)  # Loads what is loaded at first use.
    libraries = memory("VmRSS")
    module = _llama(dtype, _SHAPE)
    parameters, tuned = sum(each.numel() for each in module.parameters()), chosen_layers(module, HIDDEN).size
    _CLEAR.write_text("5", encoding="ascii")  # Peaks count from here.
    _tune_and_quantise(module, moments)
    peak = memory("VmHWM")
    assert libraries is not None and peak is not None
    return {BYTES: (peak - libraries) * 2**20, PARAMETERS: parameters, TUNED: tuned, PEAK_MEMORY: peak}


def _llama(dtype: str, shape: dict[str, int]) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(tie_word_embeddings=True, vocab_size=_VOCABULARY, **shape)
    return LlamaForCausalLM._from_config(config, dtype=getattr(torch, dtype))


def _tune_and_quantise(module: nn.Module, moments: str) -> None:
    """Two steps, the second of which is a commit step."""
    model = FlatModel(module, chosen_layers(module, HIDDEN))
    size, grid = model.layout.size, QuantisationGrid(3, 0.002, 0.2)
    steps = [[(torch.randint(0, _VOCABULARY, (1, _TOKENS)), 1.0)] for _ in range(2)]

    def loss(module: nn.Module, ids: Tensor) -> Tensor:
        value: Tensor = module(input_ids=ids, labels=ids).loss
        return value

    kept_in, commitment = getattr(torch, moments), Commitment(grid, 2)
    magnitudes = tune_magnitudes(model, _Signs(), steps, loss, 0.001, commitment, moments=kept_in).numpy()
    quantise(magnitudes, UploadTerms(model.layout.digest, size, 1, grid))


if __name__ == "__main__":
    answer(measure)
