import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.model_settings import HIDDEN
from fedsift.learning.tuned_layers import chosen_layers


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=10, n_positions=8, n_embd=4, n_layer=1, n_head=1))


def test_tied_embeddings_and_head_are_frozen() -> None:
    names = chosen_layers(gpt2(), HIDDEN).names
    assert "transformer.h.0.attn.c_attn.weight" in names
    assert "transformer.ln_f.weight" in names
    assert not any("wte" in name or "wpe" in name or "lm_head" in name for name in names)


def test_an_untied_head_is_frozen_too() -> None:
    config = LlamaConfig(vocab_size=10, hidden_size=4, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    names = chosen_layers(LlamaForCausalLM(config), HIDDEN).names
    assert "model.layers.0.mlp.gate_proj.weight" in names
    assert "lm_head.weight" not in names
    assert "model.embed_tokens.weight" not in names


def test_a_weight_shared_by_two_layers_is_tuned_once() -> None:
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    layout = chosen_layers(nn.Sequential(first, second), HIDDEN)
    assert (layout.names, layout.size) == (("0.weight",), 4)


def test_offsets_follow_the_sizes() -> None:
    layout = ParameterLayout(("a", "b", "c"), ((2, 3), (), (4,)))
    assert (layout.sizes, layout.offsets, layout.size) == ((6, 1, 4), (0, 6, 7), 11)


def test_the_digest_sees_names_shapes_and_order() -> None:
    layouts = [
        ParameterLayout(("a", "b"), ((2, 3), (4,))),
        ParameterLayout(("a", "b"), ((3, 2), (4,))),
        ParameterLayout(("a", "c"), ((2, 3), (4,))),
        ParameterLayout(("b", "a"), ((4,), (2, 3))),
    ]
    assert len({layout.digest for layout in layouts}) == 4


def test_nothing_to_tune_is_an_error() -> None:
    with pytest.raises(BadInput, match="unknown parameter 'hidden'"):
        chosen_layers(nn.Embedding(3, 2), HIDDEN)


def test_the_flat_model_computes_what_the_model_computed() -> None:
    torch.manual_seed(0)
    module = gpt2().eval()
    ids = torch.tensor([[1, 2, 3]])
    before = module(ids).logits.detach().clone()
    flat = FlatModel(module, chosen_layers(module, HIDDEN))
    assert torch.equal(module(ids).logits, before)
    flat.load_magnitudes(torch.ones(flat.layout.size, dtype=torch.int8), torch.ones(flat.layout.size))
    assert not torch.equal(module(ids).logits, before)
    assert torch.equal(module.transformer.ln_f.weight, torch.full((4,), 2.0))
    flat.load_base()
    assert torch.equal(module(ids).logits, before)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("*.ln_1.*", ["transformer.h.0.ln_1.weight", "transformer.h.0.ln_1.bias"]),
        ("*.ln_f.bias, *.ln_1.bias", ["transformer.h.0.ln_1.bias", "transformer.ln_f.bias"]),
        ("lm_head.*", ["transformer.wte.weight"]),  # tied: the same weight under the first of its names
    ],
)
def test_layers_chosen_by_patterns(patterns: str, names: list[str]) -> None:
    assert list(chosen_layers(gpt2(), patterns).names) == names


def test_hidden_layers_and_more() -> None:
    model = gpt2()
    assert chosen_layers(model, "hidden,*").size == sum(parameter.numel() for parameter in model.parameters())


def test_a_pattern_that_fits_nothing() -> None:
    with pytest.raises(BadInput, match=r"unknown parameter 'transformer.ln_g.bias'; did you mean 'transformer.ln_f.b"):
        chosen_layers(gpt2(), "hidden,transformer.ln_g.bias")
