"""A model that is not whole, not of one piece or too small: one line that names the fault, before it learns."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsift.learning.models import load_layout, load_model
from tests.learning.damage import (
    BIN,
    CLASSIFY,
    INDEX,
    WEIGHTS,
    Damage,
    Evil,
    added_token,
    config,
    content,
    entry,
    in_json,
    index_entry,
    pickled,
    post_processor,
    removed,
    saved_as,
    settings_of,
    shard,
    sharded,
    told,
    weights,
    with_tensor,
    without,
)
from tests.models import ALPHABET, FAMILIES, POSITIONS, save_model

NORM, QUERY = "transformer.h.0.ln_1.weight", "encoder.layer.0.attention.self.query.weight"
ROWS = len(ALPHABET)


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save_model(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


half = lambda file: file[: len(file) // 2]  # noqa: E731
but_one = lambda file: file[:-1]  # noqa: E731
deeper = lambda file: file.replace(b"[[", b"[" * 10**5).replace(b"]]", b"]" * 10**5)  # noqa: E731

NOT_ALL_THERE: list[tuple[str, list[Damage], dict[str, Any], list[str]]] = [
    ("gpt2", [without(NORM)], {}, ["the weights lack transformer.h.0.ln_1.weight: give complete"]),
    ("gpt2", [without("transformer.wte.weight")], {}, ["the weights lack lm_head.weight, transformer.wte.weight"]),
    ("gpt2", [without(NORM)], {"lora_rank": 2}, ["the weights lack transformer.h.0.ln_1.weight"]),
    ("gpt2", [without(NORM)], {"dtype": "bfloat16"}, ["the weights lack transformer.h.0.ln_1.weight"]),
    ("gpt2", [without(NORM)], CLASSIFY, ["the weights lack h.0.ln_1.weight"]),
    ("gpt2", [with_tensor(NORM, torch.ones(15))], {}, [f"{NORM} is 15 there, 16 by config.json (n_embd = 16)"]),
    ("gpt2", [with_tensor("extra.weight", torch.ones(2))], {}, ["the weights have extra.weight besides"]),
    ("gpt2", [config(n_layer=2)], {}, ["lack transformer.h.1.attn.c_attn.bias, ", ", ... (12 in all)"]),
    ("llama", [config(num_hidden_layers=1)], {}, ["have model.layers.1.input_layernorm.weight, ", "... (9 in all) b"]),
    ("llama", [config(num_hidden_layers=1)], CLASSIFY, ["have model.layers.1.input_layernorm.weight, ", "besides"]),
    ("llama", [without("lm_head.weight")], {}, ["weights lack lm_head.weight: they are of a model without this head"]),
    ("llama", [config(tie_word_embeddings=True)], {}, ["lm_head.weight is tied", 'set "tie_word_embeddings" to false']),
    ("qwen2", [config(tie_word_embeddings=False)], {}, ["the weights lack lm_head.weight"]),
    ("bert", [without(QUERY)], CLASSIFY, ["the weights lack encoder.layer.0.attention.self.query.weight: give compl"]),
    ("bert", [saved_as("BertForPreTraining"), without(f"bert.{QUERY}")], CLASSIFY, [f"lack {QUERY}"]),
    ("bert", [], {}, ["the weights lack cls.predictions.bias", "--task classification takes it"]),
    ("t5", [without("encoder.block.0.layer.0.layer_norm.weight")], CLASSIFY, ["lack encoder.block.0.layer.0.layer_n"]),
    ("t5", [without("decoder.final_layer_norm.weight")], {}, ["lack decoder.final_layer_norm.weight: give complete"]),
    ("gpt2", [entry(NORM, float("nan"))], {}, [f"the weights have NaN or infinity in {NORM}"]),
    ("gpt2", [entry("transformer.wte.weight", float("inf"))], CLASSIFY, ["NaN or infinity in wte.weight"]),
    ("gpt2", [with_tensor(NORM, torch.full((16,), 1e300, dtype=torch.float64))], {}, [f"NaN or infinity in {NORM}"]),
    ("gpt2", [with_tensor(NORM, torch.ones(16, dtype=torch.int8))], {}, [f"{NORM} (int8)", "expected floating-point"]),
    ("bert", [with_tensor(QUERY, torch.ones(16, 16).bool())], CLASSIFY, [f"{QUERY} (bool)", "expected floating-point"]),
    ("llama", [sharded, removed(shard(2))], {}, [shard(2), "No such file"]),
    ("llama", [sharded, content(shard(2), half)], {}, [f"{shard(2)}: SafetensorError", "damaged or incomplete"]),
    ("llama", [sharded, index_entry("model.nothing", shard(1))], {}, [f"model.nothing, which is not in {shard(1)}"]),
    ("llama", [sharded, lambda folder: shutil.copy(folder / shard(2), folder / shard(3))], {}, ["another file of the"]),
    ("llama", [sharded, lambda folder: shutil.copy(folder / shard(2), folder / WEIGHTS)], {}, ["keep the one that is"]),
]

DAMAGED: list[tuple[str, list[Damage], list[str]]] = [
    *(
        ("gpt2", [content(WEIGHTS, of)], [f"{WEIGHTS}: SafetensorError", "copy it again"])
        for of in (b"", half, but_one, b"\xff" * 99, b"<html>no such file</html>", lambda file: file + b"\0")
    ),
    *(
        ("gpt2", [pickled(), content(BIN, of)], [f"cannot be loaded: {BIN}: ", "copy it again"])
        for of in (b"", half, but_one, b"\xff" * 99, b"<html>no such file</html>")
    ),
    ("gpt2", [pickled(_use_new_zipfile_serialization=False), content(BIN, but_one)], [f"{BIN}: RuntimeError"]),
    ("gpt2", [pickled(lambda _: {"a": Evil()})], ["no file of plain tensors"]),
    ("gpt2", [pickled(lambda _: [1, 2])], [BIN]),
    ("gpt2", [pickled(lambda tensors: {"model": tensors})], ["expected names with tensors, found a value of type di"]),
    *(
        ("llama", [sharded, content(INDEX, of)], [INDEX, "damaged or incomplete"])
        for of in (b"", b"[]", b"{}", half, b"\xff\xfe{", b'{"weight_map": 3}', b'{"weight_map": {"a": 3}}')
    ),
    ("llama", [sharded, content(INDEX, b'{"metadata": {}, "weight_map": {}}')], ["the weights have 0 tensors"]),
    *(
        ("gpt2", [content("config.json", of)], ["cannot be loaded: config.json: "])
        for of in (b"", b"{", b"[]", b"{}", b"3", b"null", b"\xff\xfe{}", half, b'{"model_type": ["gpt2"]}')
    ),
    ("gpt2", [config(model_type="gpt3")], ["model type `gpt3`"]),
    ("gpt2", [content("config.json", b'{"model_type": "vit"}')], ["Unrecognized configuration class"]),
    ("gpt2", [config(n_head=0)], ["config.json: ZeroDivisionError"]),
    ("gpt2", [config(n_head=-1)], ["a first pass: RuntimeError"]),
    ("gpt2", [config(n_head=3)], ["must be divisible by num_heads"]),
    ("gpt2", [config(n_embd=-16)], ["negative dimension -16"]),
    ("gpt2", [config(n_embd="16")], ["'n_embd' expected int, got str"]),
    ("gpt2", [config(n_layer=0)], ["the weights have transformer.h.0.attn.c_attn.weight, ", "besides"]),
    ("gpt2", [config(n_layer=10**9)], ["config.json describes 1,000,000,000 layers (n_layer), but the weights have"]),
    ("gpt2", [config(n_positions=10**12)], ["its largest parameter being transformer.wpe.weight of 100000000000"]),
    ("gpt2", [config(n_embd=2**20)], ["config.json describes 13,194,626,072,576 numbers", "but the weights hold 1"]),
    ("gpt2", [config(vocab_size=10**30)], ["config.json: "]),
    ("gpt2", [config(activation_function="none")], ["config.json: KeyError: 'none'"]),
    ("llama", [config(rope_parameters={"rope_type": "none"})], ["config.json: KeyError: 'none'"]),
    ("t5", [config(decoder_start_token_id=None)], ["decoder_start_token_id has to be defined"]),
    ("gpt2", [config(quantization_config={"quant_method": "gptq"})], ["is quantised", "give the model that it was"]),
    (
        "gpt2",
        [config(model_type="own", auto_map={"AutoConfig": "own.Config"})],
        ["asks for code that comes with the mod"],
    ),
    ("t5", [config(num_decoder_layers=2**40)], ["layers (num_decoder_layers), but the weights have"]),
    ("t5", [config(decoder_start_token_id="x")], ["decoder_start_token_id in config.json is 'x': expected a whole nu"]),
    ("gpt2", [config(n_embd=0)], ["config.json: ZeroDivisionError"]),
    ("gpt2", [config(deep=[[[1]]]), content("config.json", deeper)], ["config.json: RecursionError"]),
    (
        "llama",
        [sharded, index_entry("model.norm.weight", "../stolen.bin")],
        ["'../stolen.bin', which is not in"],
    ),
    ("gpt2", [lambda folder: (folder / "adapter_config.json").touch()], ["does not say the adapters' base"]),
    ("gpt2", [removed("tokenizer.json", "tokenizer_config.json")], ["has no tokenizer: expected tokenizer.json"]),
    ("t5", [removed("tokenizer.json", "tokenizer_config.json")], ["has no tokenizer: expected tokenizer.json"]),
    ("llama", [removed("tokenizer.json")], ["cannot be loaded: tokenizer: "]),
    *(
        ("gpt2", [content(name, of)], ["cannot be loaded: tokenizer: ", "tokenizer files"])
        for name in ("tokenizer.json", "tokenizer_config.json")
        for of in (b"", b"[]", b"3", b"<html>", b"\xff\xfe{}", half)
    ),
    ("gpt2", [in_json("tokenizer.json", model=None)], ["cannot be loaded: tokenizer: Exception"]),
    ("gpt2", [post_processor], ["cannot be loaded: tokenizer: PanicException"]),
]

TOO_SMALL: list[tuple[str, list[Damage], dict[str, Any], list[str]]] = [
    ("gpt2", [config(vocab_size=ROWS + 8)], {}, [f"{ROWS} x 16 there, {ROWS + 8} x 16", f"(vocab_size = {ROWS + 8})"]),
    ("bert", [config(vocab_size=ROWS + 8)], CLASSIFY, [f"{ROWS} x 16 there, {ROWS + 8} x 16"]),
    ("gpt2", [added_token], {}, [f"ids go up to {ROWS}, its embeddings have {ROWS} rows", f"'<new>' ({ROWS})"]),
    ("llama", [added_token], {}, [f"ids go up to {ROWS}, its embeddings have {ROWS} rows", f"'<new>' ({ROWS})"]),
    ("t5", [added_token], CLASSIFY, [f"ids go up to {ROWS}, its embeddings have {ROWS} rows"]),
    ("gpt2", [in_json("tokenizer_config.json", pad_token="<pad>")], {}, [f"'<pad>' ({ROWS}) would have none"]),
    ("t5", [config(pad_token_id=999)], {}, ["ids go up to 999", "pad_token_id in config.json (999)"]),
    ("t5", [config(decoder_start_token_id=999)], {}, ["decoder_start_token_id in config.json (999)"]),
    ("bert", [], {**CLASSIFY, "head": "label-text", "choices": ("a", "b" * 30)}, ["30 tokens, more than max-length ="]),
]


Copy = Callable[[str, list[Damage]], Path]


@pytest.fixture
def copy(families: dict[str, Path], tmp_path: Path) -> Iterator[Copy]:
    def of(family: str, changes: list[Damage]) -> Path:
        folder = shutil.copytree(families[family], tmp_path / "model")
        for change in changes:
            change(folder)
        return folder

    yield of
    assert not Path("evil").exists()


NO_OPTIONS = [(family, changes, {}, words) for family, changes, words in DAMAGED]


@pytest.mark.parametrize(("family", "changes", "options", "words"), [*NOT_ALL_THERE, *TOO_SMALL, *NO_OPTIONS])
def test_what_does_not_load(copy: Copy, family: str, changes: list[Damage], options: Any, words: list[str]) -> None:
    message = told(copy(family, changes), **options)
    assert all(each in message for each in words), message


@pytest.mark.parametrize(
    ("family", "changes", "options"),
    [
        ("gpt2", [pickled()], {}),
        ("gpt2", [pickled(_use_new_zipfile_serialization=False)], {}),
        ("llama", [sharded], {}),
        ("gpt2", [saved_as("GPT2Model")], {}),  # without the prefix; the head is tied
        ("gpt2", [saved_as("GPT2Model")], CLASSIFY),
        ("llama", [without("lm_head.weight")], CLASSIFY),
        ("llama", [without("lm_head.weight")], {**CLASSIFY, "head": "label-text"}),
        ("llama", [], {**CLASSIFY, "lora_rank": 2}),
        ("gpt2", [weights(lambda all: all.update({"lm_head.weight": all["transformer.wte.weight"].clone()}))], {}),
        ("bert", [without("pooler.dense.weight", "pooler.dense.bias")], CLASSIFY),
        ("bert", [with_tensor("pooler.dense.weight", torch.ones(3))], CLASSIFY),
        ("bert", [saved_as("BertForPreTraining")], CLASSIFY),
        ("distilbert", [saved_as("DistilBertForMaskedLM")], CLASSIFY),
        ("t5", [without("decoder.final_layer_norm.weight")], CLASSIFY),
        ("bert", [with_tensor("embeddings.position_ids", torch.arange(POSITIONS)[None])], CLASSIFY),
        ("llama", [with_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", torch.ones(2))], {}),
        ("gpt2", [with_tensor("transformer.h.0.attn.masked_bias", torch.ones(()))], {}),
        ("gpt2", [with_tensor(NORM, torch.ones(16).half())], {}),
        ("gpt2", [config(auto_map={"AutoModelForCausalLM": "own.Model"})], {}),  # transformers has the class itself
    ],
)
def test_weights_that_fit(copy: Copy, family: str, changes: list[Damage], options: dict[str, Any]) -> None:
    settings = settings_of(copy(family, changes), **options)
    assert load_layout(settings) == load_model(settings)[0].layout
