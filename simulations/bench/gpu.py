"""A GPU: equal digests, removals and the retrained reference, FLOP utilisation, overhead (docs/how-to/gpu.md).

On a CPU the same is rehearsed at a small size, with workers in the place of clients that share a GPU.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import counted
from fedsift.core.receipt import Verdict
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.tuning_settings import TuningSettings
from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part
from fedsift.studies.bench.processes import ARMS, ArmRun, run_arm

SHARES = (1, 2, 4)  # clients that share a GPU
_UTILISATION = "share of the peak"
_LEAVE = 100  # of so many clients one leaves
_FLOPS_A_TOKEN = 6  # for each parameter: 2 in the forward pass, 4 in the backward pass
# Dense products in bfloat16 by the data sheets, FLOP/s, for the words in a GPU's name; the first that fits.
_PEAKS = {
    ("H200",): 989.5e12,
    ("H100", "PCIe"): 756.5e12,
    ("H100", "NVL"): 835.5e12,
    ("H100",): 989.5e12,
    ("A100",): 312e12,
    ("L40S",): 362e12,
    ("L4",): 121e12,
}


class Sizes(NamedTuple):
    """Of what is timed; a client has batch-size rows of max-length tokens."""

    clients: int  # of the configured model
    llama: Mapping[str, int]  # shape of a Llama with random weights
    llama_clients: int


FULL = Sizes(
    clients=16,
    llama={  # 1.24 billion parameters
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
    llama_clients=4,
)
REHEARSAL = Sizes(
    clients=4,
    llama={
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 2_048,
    },
    llama_clients=4,
)


class _Pair(NamedTuple):
    """Runs of one model on the same clients, so many at a time."""

    subject: str  # which model
    share: int
    fedsift: list[ArmRun]
    bare_loop: ArmRun

    @property
    def overhead(self) -> float:
        """What fedsift takes over the bare loop's time."""
        return float(median(run.told["seconds"] for run in self.fedsift) / self.bare_loop.told["seconds"])


def measure_gpu(config: RunConfig, rounds: int, sizes: Sizes | None = None, shares: Sequence[int] = SHARES) -> Part:
    """Run what docs/how-to/gpu.md lists, each run in a process of its own.

    Args:
        config: model, data and device of the run with removals; the rest takes its model and steps.
        rounds: how often the first of `shares` runs, at most three times; all have to end in equal digests.
        sizes: of the rest; by default full on a GPU, and small on a CPU.
        shares: how many clients share the GPU, in turn.

    Raises:
        BadInput: the model or the device cannot be had.
        ArmFailed: a run failed.
    """
    from fedsift.runtime.gpu_share import check_device

    check_device(config)
    sizes = sizes or (FULL if config.device == "cuda" else REHEARSAL)
    with TemporaryDirectory() as folder:
        own = _with_rows(config, sizes.clients, Path(folder, "own.jsonl"))
        llama = _with_rows(config, sizes.llama_clients, Path(folder, "llama.jsonl"))
        llama = replace(llama, model=_save_llama(Path(folder, "llama"), sizes.llama, config), chat=False, system="")
        work = {"model": _work_of(own), "Llama": _work_of(llama)}
        pairs = [_pair("model", own, share, 1 if place else min(rounds, 3)) for place, share in enumerate(shares)]
        pairs.append(_pair("Llama", llama, shares[0], 1))
        leave_count = max(1, config.clients // _LEAVE)
        leaving = replace(config.leaving(), leave_count=leave_count, oracle=True, evaluate=False)
        removals = run_arm(f"{ARMS}.removal_run", _shared(leaving, shares[-1]))
    return _part(pairs, work, config.steps, removals.told)


def _pair(subject: str, config: RunConfig, share: int, rounds: int) -> _Pair:
    config = _shared(config, share)
    runs = [run_arm(f"{ARMS}.fedsift_run", config) for _ in range(rounds)]
    return _Pair(subject, share, runs, run_arm(f"{ARMS}.bare_loop", config))


def _shared(config: RunConfig, share: int) -> RunConfig:
    """With so many clients on a GPU, or so many workers on a CPU."""
    on_gpu = config.device == "cuda"
    return replace(config, workers=0, clients_per_gpu=share) if on_gpu else replace(config, workers=share)


def _part(pairs: Sequence[_Pair], work: Mapping[str, tuple[int, int]], steps: int, told: Mapping[str, Any]) -> Part:
    """All that was found, as figures, facts and notes; `told` by the run with removals."""
    gpu = told["environments"][0]["device"]
    peak, measurements, digests = peak_flops(gpu), [], dict[str, set[str]]()
    for pair in pairs:
        arm, (tokens, parameters) = f"{pair.subject}, {pair.share} at a time", work[pair.subject]
        seconds = tuple(run.told["seconds"] for run in pair.fedsift)
        rate = tokens / pair.bare_loop.told["tuning"]
        measurements.append(Measurement(arm, "after start-up", "s", seconds))
        measurements.append(Measurement(arm, "time / bare loop's", "", (pair.overhead,)))
        measurements.append(Measurement(arm, "tokens while tuning", "1/s", (rate,)))
        if peak:
            measurements.append(Measurement(arm, _UTILISATION, "", (rate * _FLOPS_A_TOKEN * parameters / peak,)))
        sums = {run.told["sums"] for run in (*pair.fedsift, pair.bare_loop)}
        digests.setdefault(pair.subject, set()).update(sums)
    measurements.append(
        Measurement(f"{counted(told['clients'], 'client')}, removals", "whole run", "s", (told["seconds"],))
    )
    equal, same = all(len(each) == 1 for each in digests.values()), told["reference"] == told["state"]
    facts = {
        "environments": told["environments"],
        "peak_flops": peak,
        "flop_utilisation": {each.arm: each.median for each in measurements if each.quantity == _UTILISATION} or None,
        "parameters": {subject: parameters for subject, (_, parameters) in work.items()},
        "digests": {subject: sorted(each) for subject, each in digests.items()},
        "digests_are_equal": equal,
        "verdicts": told["verdicts"],
        "reference_is_equal": same,
    }
    exact, asked = sum(each == Verdict.BIT_EXACT for each in told["verdicts"]), len(told["verdicts"])
    notes = [
        f"device: {gpu}; peak in bfloat16: {f'{peak:.3g} FLOP/s' if peak else 'not known, so no share of it'}",
        f"digests of all runs of a model, the bare loop's too: {'equal' if equal else 'NOT EQUAL'}",
        f"{counted(told['clients'], 'client')} x {steps} steps: {exact} of {asked} removals bit-exact, "
        "retrained reference "
        f"{'equal' if same else 'NOT EQUAL'}",
        f"{_UTILISATION}: tokens a second x {_FLOPS_A_TOKEN} x parameters / peak, in the bare loop, without its sums",
    ]
    return Part("a GPU", measurements, notes, compared=False, facts=facts)


def peak_flops(gpu: str) -> float | None:
    """Of a GPU by its name, dense products in bfloat16, FLOP/s; None if it is not known, or a part of one."""
    words = set(gpu.replace("-", " ").split())
    if "MIG" in words:
        return None
    return next((peak for name, peak in _PEAKS.items() if words.issuperset(name)), None)


def _work_of(config: RunConfig) -> tuple[int, int]:
    """Tokens that all clients train on, each as often as it has steps, and the model's parameters."""
    from fedsift.data.loading import load_dataset
    from fedsift.learning.models import load_model

    model, task = load_model(config.model_settings.on_cpu())
    dataset = load_dataset(config)
    rows = [row for each in dataset.client_ids for row in dataset.train_examples(each)]
    tokens = sum(task.describe(row).tokens for row in rows) * config.steps
    return tokens, sum(each.numel() for each in model.module.parameters())


def _with_rows(config: RunConfig, clients: int, file: Path) -> RunConfig:
    """The configured model on so many clients, whose rows are as long as they may be and all in a step."""
    import numpy as np

    from fedsift.data.people.words import WORDS

    words = np.array(sorted({each for group in WORDS.values() for each in group}))
    generator = np.random.Generator(np.random.Philox(key=config.seed))

    def text() -> str:
        return " ".join(generator.choice(words, config.max_length))

    owners = [f"client {place // config.batch_size}" for place in range(clients * config.batch_size)]
    rows = [{"who": owner, "text": text(), "answer": text()} for owner in owners]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    kept = {**vars(config.part(TuningSettings)), **vars(config.part(ModelSettings)), "profile": config.profile}
    table: dict[str, Any] = {
        "dataset": str(file),
        "client_column": "who",
        "prompt": "{text}",
        "target": "answer",
        "test_share": 0.0,
    }
    return RunConfig(**kept, **table, evaluate=False)


def _save_llama(folder: Path, shape: Mapping[str, int], config: RunConfig) -> str:
    """A Llama with random weights and the tokenizer of the embedded model; returns its folder."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.utils.logging import disable_progress_bar

    from fedsift.learning.model_location import PEOPLE_MODEL

    disable_progress_bar()
    torch.manual_seed(0)
    llama = LlamaConfig(**shape, tie_word_embeddings=True, max_position_embeddings=config.max_length)
    LlamaForCausalLM._from_config(llama, dtype=getattr(torch, config.dtype)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(PEOPLE_MODEL).save_pretrained(folder)
    return str(folder)


BENCHMARK = Benchmark(
    "gpu",
    "On a GPU: equal digests, removals, FLOP utilisation, overhead (docs/how-to/gpu.md).",
    measure_gpu,
    on_ray=True,
    device="cuda",
    defaults={
        "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "chat": True,
        "dtype": "bfloat16",
        "lr": 1e-4,
        "clients": 500,
        "batch-size": 16,
        "max-length": 512,
        "shared-head": False,
    },
)
