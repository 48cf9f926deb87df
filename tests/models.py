"""Tiny models with random weights and a byte tokenizer, as folders in Hugging Face format."""

from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

ALPHABET = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<eos>"]
EOS = len(ALPHABET) - 1
POSITIONS = 192
CHAT_TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
_IDS = {"vocab_size": len(ALPHABET), "bos_token_id": EOS, "eos_token_id": EOS, "pad_token_id": EOS}
_PLACES = {**_IDS, "max_position_embeddings": POSITIONS}
_WIDTHS = {**_PLACES, "hidden_size": 16, "intermediate_size": 24}
_LLAMA = {**_WIDTHS, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
_BERT = {**_WIDTHS, "num_hidden_layers": 1, "num_attention_heads": 2}
_OPT = {**_PLACES, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 24, "num_hidden_layers": 1}
_T5 = {**_IDS, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": EOS}
_FLAN = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}  # gated, its logits not scaled

FAMILIES: dict[str, tuple[Any, Any]] = {
    # Tied head, learned positions, biases and LayerNorms everywhere, dropout 0.1 by default.
    "gpt2": (hf.GPT2LMHeadModel, hf.GPT2Config(**_IDS, n_positions=POSITIONS, n_embd=16, n_layer=1, n_head=2)),
    "llama": (hf.LlamaForCausalLM, hf.LlamaConfig(**_LLAMA)),
    "qwen2": (hf.Qwen2ForCausalLM, hf.Qwen2Config(**_LLAMA, tie_word_embeddings=True)),
    "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config(**_LLAMA)),
    "opt": (hf.OPTForCausalLM, hf.OPTConfig(**_OPT, num_attention_heads=2)),
    "t5": (hf.T5ForConditionalGeneration, hf.T5Config(**_T5)),
    "flan-t5": (hf.T5ForConditionalGeneration, hf.T5Config(**_T5, **_FLAN)),
    "bert": (hf.BertModel, hf.BertConfig(**_BERT)),
    "bert-lm": (hf.BertLMHeadModel, hf.BertConfig(**_BERT)),
    "distilbert": (hf.DistilBertModel, hf.DistilBertConfig(**_PLACES, dim=16, hidden_dim=24, n_layers=1, n_heads=2)),
}


def save_tokenizer(folder: Path, closes: bool = False, chat: bool = False) -> None:
    """One token a byte; `closes`: every text ends in <eos>, as with T5; `chat`: with a chat template."""
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(ALPHABET)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if closes:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", EOS)])
    special = dict.fromkeys(("eos_token", "pad_token", "unk_token"), "<eos>")  # Some families would add their own.
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.chat_template = CHAT_TEMPLATE if chat else None
    fast.save_pretrained(folder)


def save_model(folder: Path, family: str, chat: bool = False) -> Path:
    """A model of a family; with embeddings and head large enough that tuning the hidden layers gets somewhere."""
    kind, config = FAMILIES[family]
    torch.manual_seed(0)
    module = kind(config)
    with torch.no_grad():
        embeddings = module.get_input_embeddings()
        for weight in {embeddings.weight, getattr(module, "lm_head", embeddings).weight}:
            weight.mul_(20)
    module.save_pretrained(folder)
    save_tokenizer(folder, closes=family.endswith("t5"), chat=chat)
    return folder
