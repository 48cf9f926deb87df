"""Every family of models: what is tuned and what is frozen, and that a removal is exact."""

from pathlib import Path

import pytest
import torch

from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.server_state import ServerState
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_layout, load_model
from fedsift.learning.tuning_settings import TuningSettings
from tests.models import save_model

CLIENTS = {
    "ann": [("What is the sky?", " blue"), ("And grass, in a dry summer?", " red"), ("Snow?", " blue")],
    "bob": [("What is the sky?", " red"), ("Grass?", " red")],
}
CHOICES = ("blue", "red")
SETTINGS = TuningSettings(steps=4, lr=0.01, batch_size=2)

T5_FROZEN = [
    "shared.weight",
    *(f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight" for stack in ("encoder", "decoder")),
]
# Of each family: tuned (all that follow from these beginnings), and frozen.
EXPECTED = {
    "gpt2": (
        ["transformer.h.0.ln_1.weight", "transformer.h.0.attn.c_attn.bias", "transformer.ln_f.bias"],
        ["transformer.wte.weight", "transformer.wpe.weight"],
    ),
    "llama": (
        ["model.layers.1.self_attn.k_proj.weight", "model.layers.0.input_layernorm.weight", "model.norm.weight"],
        ["model.embed_tokens.weight", "lm_head.weight"],
    ),
    "qwen2": (["model.layers.0.self_attn.q_proj.bias", "model.norm.weight"], ["model.embed_tokens.weight"]),
    "qwen3": (["model.layers.0.self_attn.q_norm.weight"], ["model.embed_tokens.weight", "lm_head.weight"]),
    "opt": (
        ["model.decoder.layers.0.fc1.bias", "model.decoder.final_layer_norm.weight"],
        ["model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight"],
    ),
    "t5": (["encoder.block.0.layer.0.SelfAttention.q.weight", "decoder.block.0.layer.1.layer_norm.weight"], T5_FROZEN),
    "flan-t5": (["encoder.block.0.layer.1.DenseReluDense.wi_0.weight", "decoder.final_layer_norm.weight"], T5_FROZEN),
    "bert": (
        ["texts.embeddings.LayerNorm.weight", "texts.encoder.layer.0.attention.self.query.bias"],
        [*(f"texts.embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")), "head.weight"],
    ),
    "distilbert": (
        ["texts.embeddings.LayerNorm.bias", "texts.transformer.layer.0.ffn.lin1.weight"],
        [*(f"texts.embeddings.{kind}_embeddings.weight" for kind in ("word", "position")), "head.weight"],
    ),
}


def settings_of(family: str, folder: Path, **options: object) -> ModelSettings:
    task = "classification" if "bert" in family else "language-modelling"
    return ModelSettings(model=str(folder), **{"task": task, "choices": CHOICES, "max_length": 24, **options})  # type: ignore[arg-type]


def trainer_of(settings: ModelSettings) -> tuple[LocalTrainer, UploadTerms]:
    flat, task = load_model(settings)
    layout = load_layout(settings)
    terms = UploadTerms(layout.digest, layout.size, 7, QuantisationGrid(3, SETTINGS.lr * SETTINGS.steps))
    return LocalTrainer(flat, task, terms, SETTINGS, root_seed=3), terms


def assert_removal_is_exact(settings: ModelSettings) -> None:
    """Two clients merge, one leaves by a rerun on a model loaded anew: the other's state alone."""
    trainer, terms = trainer_of(settings)
    left, never_joined = (ServerState.create(None, terms, capacity=2) for _ in range(2))
    for client_id, rows in CLIENTS.items():
        left.merge(client_id, trainer.tune(client_id, rows).quantised.contribution.to_bytes())
    again, _ = trainer_of(settings)
    assert left.sums.level_sum.any()
    left.remove("ann", again.tune("ann", CLIENTS["ann"]).quantised.contribution.to_bytes())
    never_joined.merge("bob", again.tune("bob", CLIENTS["bob"]).quantised.contribution.to_bytes())
    assert left.digest() == never_joined.digest()


@pytest.mark.parametrize("family", EXPECTED)
def test_tuned_frozen_and_exact(family: str, tmp_path: Path) -> None:
    settings = settings_of(family, save_model(tmp_path, family))
    flat, _ = load_model(settings)
    tuned, frozen = EXPECTED[family]
    parameters = dict(flat.module.named_parameters())
    assert set(tuned) <= set(flat.layout.names)
    assert [name for name in parameters if name not in flat.layout.names] == frozen
    assert {name for name, parameter in parameters.items() if parameter.requires_grad} == set(flat.layout.names)
    assert load_layout(settings) == flat.layout
    assert_removal_is_exact(settings)


@pytest.mark.parametrize("family", EXPECTED)
def test_tuning_learns(family: str, tmp_path: Path) -> None:
    """The loss on a client's own rows falls by a third at least."""
    flat, task = load_model(settings_of(family, save_model(tmp_path, family)))
    terms = UploadTerms(flat.layout.digest, flat.layout.size, 7, QuantisationGrid(3, 0.3))
    trainer = LocalTrainer(flat, task, terms, TuningSettings(steps=30, lr=0.01, batch_size=8), root_seed=3)
    encoded = trainer.encode("ann", CLIENTS["ann"])
    before = task.loss(flat.module, task.batch(encoded)).item()
    trainer.tune("ann", CLIENTS["ann"])
    assert task.loss(flat.module, task.batch(encoded)).item() < before * 2 / 3


@pytest.mark.parametrize("family", ["gpt2", "t5", "distilbert"])
def test_adapters_alone_are_tuned(family: str, tmp_path: Path) -> None:
    settings = settings_of(family, save_model(tmp_path, family), lora_rank=2)
    flat, _ = load_model(settings)
    assert flat.layout == load_layout(settings)
    assert all(".lora_B." in name for name in flat.layout.names)
    assert not any("lm_head" in name or name.startswith("head") for name in flat.layout.names)
    assert_removal_is_exact(settings)


@pytest.mark.parametrize("family", ["gpt2", "llama", "flan-t5", "bert"])
def test_bfloat16_is_exact_too(family: str, tmp_path: Path) -> None:
    settings = settings_of(family, save_model(tmp_path, family), dtype="bfloat16")
    flat, _ = load_model(settings)
    assert flat.weights.dtype == torch.bfloat16
    assert load_layout(settings) == flat.layout
    assert_removal_is_exact(settings)


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "t5", "bert"])
def test_checkpointing_changes_no_bit(family: str, tmp_path: Path) -> None:
    """Not even with a model whose dropout is on by default."""
    folder = save_model(tmp_path, family)
    uploads = []
    for checkpointing in (False, True):
        trainer, _ = trainer_of(settings_of(family, folder, checkpointing=checkpointing))
        uploads.append(trainer.tune("ann", CLIENTS["ann"]).quantised.contribution.to_bytes())
    assert uploads[0] == uploads[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_the_same_digest_twice_on_a_gpu(tmp_path: Path) -> None:
    settings = settings_of("llama", save_model(tmp_path, "llama"), device="cuda")
    assert_removal_is_exact(settings)
    trainer, terms = trainer_of(settings)
    tuned = trainer.tune("ann", CLIENTS["ann"])
    packed_here = quantise(tuned.magnitudes.cpu().numpy(), terms).contribution
    assert tuned.quantised.contribution.to_bytes() == packed_here.to_bytes()
    assert load_model(settings)[0].base_digest() == load_model(settings.on_cpu())[0].base_digest()


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_long_rows_in_bfloat16(family: str, tmp_path: Path) -> None:
    """On a processor with AMX, torch's flash attention raises from 64 tokens on under most profiles."""
    settings = settings_of(family, save_model(tmp_path, family), dtype="bfloat16", max_length=160)
    trainer, _ = trainer_of(settings)
    rows = [(f"{question} {'Well? ' * 20}", answer) for question, answer in CLIENTS["ann"]]
    assert trainer.tune("ann", rows).quantised.contribution.nonzero
