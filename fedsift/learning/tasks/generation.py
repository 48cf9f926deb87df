"""What a model says after a prompt, greedily or drawn by lot, one row at a time."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from fedsift.learning.tasks.text import pad_token


@torch.no_grad()
def greedy(model: Any, tokenizer: Any, prompt: Sequence[int], target: Sequence[int]) -> tuple[str, str]:
    """What a model says after a prompt, and what it should say; both without special tokens.

    It says at most as many tokens as the target has: a text that was not learned with its end has none. Nothing of the
    sampling that the model's own generation_config.json may ask for holds. A row runs alone, so what stands beside it
    in a batch changes nothing.

    Args:
        model: a transformers model, causal or with an encoder and a decoder.
        tokenizer: its own.
        prompt: token ids.
        target: token ids.
    """
    (said,) = _said(model, tokenizer, prompt, target, do_sample=False)
    return said, tokenizer.decode(list(target), skip_special_tokens=True)


@torch.no_grad()
def sampled(
    model: Any, tokenizer: Any, prompt: Sequence[int], target: Sequence[int], number: int, seed: int
) -> list[str]:
    """So many texts that a model says after a prompt, drawn at temperature 1 from the whole vocabulary.

    Arguments as of `greedy`, and `seed`: of what is drawn, whatever was drawn before. What others draw is not touched.
    """
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        drawn = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "num_return_sequences": number}
        return _said(model, tokenizer, prompt, target, do_sample=True, **drawn)


def _said(model: Any, tokenizer: Any, prompt: Sequence[int], target: Sequence[int], **decoding: Any) -> list[str]:
    ends = {tokenizer.eos_token_id, target[-1]} & {tokenizer.eos_token_id, *tokenizer.added_tokens_decoder} - {None}
    settings = GenerationConfig(
        num_beams=1,
        max_new_tokens=len(target),
        eos_token_id=sorted(ends) or None,
        pad_token_id=pad_token(tokenizer),
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
        **decoding,
    )
    model.generation_config = settings  # Else what it leaves open would come from the model's own.
    ids = torch.tensor([prompt], device=next(model.parameters()).device)
    said = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    start = 1 if model.config.is_encoder_decoder else len(prompt)
    return [tokenizer.decode(each[start:], skip_special_tokens=True) for each in said]
