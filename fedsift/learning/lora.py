"""LoRA adapters through peft (an extra): then the task vector is that of their B.

An adapter adds B A to a weight. The A are drawn from the run's seed and frozen, the same for everybody, and B alone is
tuned and summed (FFA-LoRA, Sun et al. 2024, arXiv 2403.12313): so the mean of the members' B, times A, is the mean of
their updates. With both tuned it would not be: mean(B) mean(A) is another matrix than mean(B A).
"""

import warnings
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from fedsift.core.errors import BadInput
from fedsift.core.extras import check_extra

LORA_PARAMETERS = "*.lora_B.*"  # patterns of what is tuned then
_ALPHA_PER_RANK = 2  # What an adapter adds is scaled by alpha / rank; twice the rank is customary.


def add_lora(model: nn.Module, rank: int) -> None:
    """Give every linear layer of a transformers model, but not its head, an adapter of a rank.

    The adapters add nothing at first (B is zero). A is drawn from torch's generator, so seed it before.

    Raises:
        BadInput: peft is not installed, or the rank is beyond that of every layer.
    """
    highest = max(min(weight.shape) for weight in model.parameters() if weight.ndim == 2)
    if rank > highest:
        raise BadInput(f"lora-rank = {rank}: no layer of the model has a rank above {highest}")
    check_extra("lora-rank", "peft", "lora")
    from peft import LoraConfig, inject_adapter_in_model

    settings = LoraConfig(r=rank, lora_alpha=_ALPHA_PER_RANK * rank, target_modules="all-linear", lora_dropout=0.0)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # It warns of what it does to GPT-2's Conv1D.
        inject_adapter_in_model(settings, model)


def save_adapter(model: nn.Module, rank: int, folder: Path, prefix: str) -> None:
    """Write what `add_lora` gave a model, and what became of it, as peft reads it (`PeftModel.from_pretrained`).

    Args:
        model: with adapters of this rank.
        rank: of the adapters.
        folder: of adapter_config.json and adapter_model.safetensors.
        prefix: of the model's names within the model that peft will put them on.
    """
    from peft import LoraConfig

    weights = {name: value.detach().cpu() for name, value in model.named_parameters() if ".lora_" in name}
    transposed = any(getattr(module, "fan_in_fan_out", False) for module in model.modules())
    LoraConfig(
        r=rank,
        lora_alpha=_ALPHA_PER_RANK * rank,
        target_modules=sorted({prefix + name.split(".lora_")[0] for name in weights}),
        lora_dropout=0.0,
        fan_in_fan_out=transposed,
        base_model_name_or_path="base",
        inference_mode=True,
    ).save_pretrained(folder)
    named = {f"base_model.model.{prefix}{name.replace('.default.', '.')}": each for name, each in weights.items()}
    save_file({name: each.contiguous() for name, each in named.items()}, folder / "adapter_model.safetensors")
