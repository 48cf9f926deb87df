"""A tuned model as files that load without fedsift: a transformers model in the Hugging Face format."""

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from fedsift.learning.lora import save_adapter
from fedsift.learning.model_settings import CLASSIFICATION, ModelSettings
from fedsift.learning.models import load_whole


def save_transformers(settings: ModelSettings, module: Any, folder: Path, with_base: bool) -> bool:
    """Write a module that `load_model` made, with the weights that it has now.

    It is written whole, for AutoModelForCausalLM and the like; with adapters, these alone are, for peft. What
    classifies texts is an AutoModel, and the vectors of the labels are in classifier.safetensors.

    Args:
        settings: of the model.
        module: the tuned one.
        folder: to write into.
        with_base: whether to write M0, too, into the folder `base`. Adapters always have it there.

    Returns:
        Whether it has an encoder and a decoder.
    """
    whole, body = load_whole(settings), module
    if with_base or settings.lora_rank:
        whole.save_pretrained(folder / "base")
    part: nn.Module = whole
    if settings.task == CLASSIFICATION:
        body = module.texts
        save_file({"weight": module.head.weight.detach().cpu().contiguous()}, folder / "classifier.safetensors")
        part = whole.get_encoder() if whole.config.is_encoder_decoder else whole
    if settings.lora_rank:
        prefix = next(f"{name}." if name else "" for name, each in whole.named_modules() if each is part)
        save_adapter(body, settings.lora_rank, folder, prefix)
    else:
        part.load_state_dict(body.state_dict(), strict=False)  # A pooler is not used, and stays as it was.
        whole.save_pretrained(folder)
    return bool(whole.config.is_encoder_decoder)
