"""A tiny model as a GGUF file, written as llama.cpp's converter names and orders things."""

from pathlib import Path

import gguf
import torch
import transformers as hf
from torch import Tensor, nn

from tests.models import ALPHABET, CHAT_TEMPLATE, EOS, POSITIONS

END = "<|endoftext|>"
_HEADS, _KEY_VALUE_HEADS, _LAYERS = 4, 2, 1
_LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def llama() -> nn.Module:
    """Rows of 32 numbers: a block of GGUF's."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": _LAYERS, "head_dim": 8}
    heads = {"num_attention_heads": _HEADS, "num_key_value_heads": _KEY_VALUE_HEADS}
    config = hf.LlamaConfig(vocab_size=len(ALPHABET) + 1, max_position_embeddings=POSITIONS, **shape, **heads)
    return hf.LlamaForCausalLM(config)


def write_gguf(
    path: Path, module: nn.Module, kind: gguf.GGMLQuantizationType, layers: int = _LAYERS
) -> dict[str, Tensor]:
    """The module with its matrices in a kind; returns its weights as the file has them, by their own names.

    `layers` is what the file says of their number.
    """
    writer = gguf.GGUFWriter(path, "llama")
    config = module.config
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(layers)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KEY_VALUE_HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(ALPHABET) + 1)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*ALPHABET[:EOS], END, "zz"])
    writer.add_token_types([1] * EOS + [3, 1])  # The end is a control token.
    writer.add_token_merges(["z z"])  # Without any, there is no tokenizer.
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id, writer.add_unk_token_id):
        add(EOS)
    writer.add_chat_template(CHAT_TEMPLATE.replace(ALPHABET[EOS], END))
    kept = {}
    for name, tensor in module.state_dict().items():
        layer, _, end = name.removesuffix(".weight").partition("layers.")[2].partition(".")
        there = f"blk.{layer}.{_LAYER_NAMES[end]}" if layer else _NAMES[name.removesuffix(".weight")]
        values = tensor
        if end in ("self_attn.q_proj", "self_attn.k_proj"):  # Halves of a head's rotation stand side by side there.
            heads = _HEADS if "q_proj" in end else _KEY_VALUE_HEADS
            values = tensor.reshape(heads, 2, -1, tensor.shape[1]).swapaxes(1, 2).reshape(tensor.shape)
        as_kind = kind if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        blocks = gguf.quantize(values.numpy(), as_kind)
        writer.add_tensor(f"{there}.weight", blocks, raw_dtype=as_kind)
        kept[name] = torch.from_numpy(gguf.dequantize(gguf.quantize(tensor.numpy(), as_kind), as_kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return kept
