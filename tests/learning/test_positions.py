"""Rows longer than a model has positions are told before it learns."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from fedsift.learning.models import load_model
from tests.learning.damage import CLASSIFY, settings_of, told
from tests.models import ALPHABET, save_model, save_tokenizer

ROWS = len(ALPHABET)
_B = {"vocab_size": ROWS, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
_S = {"vocab_size": ROWS, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "decoder_start_token_id": 0}
_S |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}


@pytest.mark.parametrize(
    ("kind", "values", "options", "positions"),
    [
        ("Roberta", {**_B, "max_position_embeddings": 40, "pad_token_id": 1}, CLASSIFY, 38),
        ("MPNet", {**_B, "max_position_embeddings": 40}, CLASSIFY, 38),
        ("Bert", {**_B, "max_position_embeddings": 40}, CLASSIFY, 40),
        ("Bart", {**_S, "max_position_embeddings": 40}, {}, 40),
        ("Bart", {**_S, "max_position_embeddings": 40}, CLASSIFY, 40),
        ("OPT", {**_B, "word_embed_proj_dim": 16, "max_position_embeddings": 40}, {}, 40),
        ("GPT2", {"vocab_size": ROWS, "n_positions": 40, "n_embd": 16, "n_layer": 1, "n_head": 2}, {}, 40),
        ("Llama", {**_B, "max_position_embeddings": 40}, {}, 40),
    ],
)
def test_positions(tmp_path: Path, kind: str, values: dict[str, Any], options: dict[str, Any], positions: int) -> None:
    """The number to give is told, and is right: a row of that length runs, one that is longer has no position."""
    suffix = {"Bart": "ForConditionalGeneration", "GPT2": "LMHeadModel", "OPT": "ForCausalLM", "Llama": "ForCausalLM"}
    made = getattr(transformers, f"{kind}Config")(**values)
    getattr(transformers, f"{kind}{suffix.get(kind, 'Model')}")(made).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    assert told(tmp_path, max_length=positions + 1, **options) == (
        f"max-length = {positions + 1}: model '{tmp_path}' has {positions} positions; give --max-length {positions}"
    )
    flat, task = load_model(settings_of(tmp_path, max_length=positions, **options))
    row = ("x" * 100, "a" if options else "y" * 100)
    assert task.loss(flat.module, task.batch([task.encode(row)])).isfinite()
    if kind != "Llama":
        ids = torch.full((1, positions + 1), 5)
        with pytest.raises((IndexError, RuntimeError)):
            flat.module(input_ids=ids, **({"attention_mask": torch.ones_like(ids)} if options else {"labels": ids}))


def test_relative_positions_have_no_end(tmp_path: Path) -> None:
    load_model(settings_of(save_model(tmp_path, "t5"), max_length=1000))
