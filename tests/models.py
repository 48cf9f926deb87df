"""Tiny models with random weights and a byte tokenizer, as folders in Hugging Face format."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertLMHeadModel,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

ALPHABET = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<eos>"]
EOS = len(ALPHABET) - 1
POSITIONS = 192
_IDS = {"vocab_size": len(ALPHABET), "bos_token_id": EOS, "eos_token_id": EOS, "pad_token_id": EOS}
_LLAMA: dict[str, Any] = {
    **_IDS,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
    "head_dim": 4,
}
_BERT: dict[str, Any] = {
    **_IDS,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": POSITIONS,
}
_T5: dict[str, Any] = {
    **_IDS,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 1,
    "num_heads": 2,
    "decoder_start_token_id": EOS,
}

FAMILIES: dict[str, tuple[Any, Any]] = {
    # Tied head, learned positions, biases and LayerNorms everywhere, dropout 0.1 by default.
    "gpt2": (GPT2LMHeadModel, GPT2Config(**_IDS, n_positions=POSITIONS, n_embd=16, n_layer=1, n_head=2)),
    "llama": (LlamaForCausalLM, LlamaConfig(**_LLAMA)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**_LLAMA, tie_word_embeddings=True)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**_LLAMA)),
    "opt": (
        OPTForCausalLM,
        OPTConfig(
            **_IDS,
            hidden_size=16,
            word_embed_proj_dim=16,
            ffn_dim=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=POSITIONS,
        ),
    ),
    "t5": (T5ForConditionalGeneration, T5Config(**_T5)),
    # As FLAN-T5: gated, its logits not scaled.
    "flan-t5": (T5ForConditionalGeneration, T5Config(**_T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "bert": (BertModel, BertConfig(**_BERT)),
    "bert-lm": (BertLMHeadModel, BertConfig(**_BERT)),
    "distilbert": (
        DistilBertModel,
        DistilBertConfig(**_IDS, dim=16, hidden_dim=24, n_layers=1, n_heads=2, max_position_embeddings=POSITIONS),
    ),
}


def save_tokenizer(folder: Path, closes: bool = False) -> None:
    """One token a byte; `closes`: every text ends in <eos>, as with T5."""
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(ALPHABET)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if closes:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", EOS)])
    special = dict.fromkeys(("eos_token", "pad_token", "unk_token"), "<eos>")  # Some families would add their own.
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


def save_model(folder: Path, family: str) -> Path:
    """A model of a family; with embeddings and head large enough that tuning the hidden layers gets somewhere."""
    kind, config = FAMILIES[family]
    torch.manual_seed(0)
    module = kind(config)
    with torch.no_grad():
        for weight in {
            module.get_input_embeddings().weight,
            getattr(module, "lm_head", module.get_input_embeddings()).weight,
        }:
            weight.mul_(20)
    module.save_pretrained(folder)
    save_tokenizer(folder, closes=family.endswith("t5"))
    return folder
