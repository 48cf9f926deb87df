"""What --model takes beside a folder in Hugging Face format: GGUF files, adapters over a base, names on the hub."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_layout, load_model, load_whole
from tests.learning.damage import Evil
from tests.learning.gguf_files import END, llama, write_gguf
from tests.models import save_model

Q8, Q4, F32 = (gguf.GGMLQuantizationType[name] for name in ("Q8_0", "Q4_1", "F32"))
HELLO = ("hi", " yo")


@pytest.mark.parametrize("kind", [F32, Q8, Q4], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gguf_is_dequantised(
    tmp_path: Path, kind: gguf.GGMLQuantizationType, dtype: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.gguf"
    weights = write_gguf(file, llama(), kind)
    settings = ModelSettings(model=str(file), dtype=dtype, chat=True)
    flat, task = load_model(settings)
    assert load_layout(settings) == flat.layout
    found = flat.module.state_dict()
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert torch.equal(found[name], value.to(getattr(torch, dtype))), name
    assert task.describe(HELLO).target == f"yo{END}"
    assert "quantiz" not in capfd.readouterr().err
    load_whole(settings).save_pretrained(tmp_path / "plain")
    assert "quantization_config" not in json.loads((tmp_path / "plain" / "config.json").read_text())


def told(model: object, **options: Any) -> str:
    with pytest.raises(BadInput) as caught:
        load_model(ModelSettings(model=str(model), **options))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700
    return message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.gguf", b"", ["begins unlike a GGUF file; give a folder in Hugging Face format"]),
        ("model.gguf", b"GGUF", ["cannot be loaded: config.json"]),
        ("model.gguf", b"GGUF" + b"\xff" * 99, ["cannot be loaded: config.json"]),
        *((f"model.{end}", b"\x08" * 9, ["is a file of a kind that is not read alone; give a folder", ".gguf file"])
          for end in ("safetensors", "bin", "pt", "onnx", "zip")),
    ],
)  # fmt: skip
def test_files_that_are_no_model(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    (tmp_path / name).write_bytes(content)
    message = told(tmp_path / name)
    assert all(each in message for each in words), message


def test_a_gguf_file_that_is_cut_off_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write_gguf(file, llama(), Q8)
    whole = file.read_bytes()
    for length in (100, len(whole) // 2, len(whole) - 40):
        file.write_bytes(whole[:length])
        assert "cannot be loaded" in told(file)
    assert "tiny.gguf does not exist" in told(tmp_path / "no" / "tiny.gguf")


def test_a_gguf_file_that_describes_more_than_it_holds(tmp_path: Path) -> None:
    """Before memory is taken for it."""
    module, file = llama(), tmp_path / "tiny.gguf"
    write_gguf(file, module, Q8, layers=10**9)
    assert "describes 1,000,000,000 layers (num_hidden_layers), but the weights have 12 tensors" in told(file)
    module.config.intermediate_size = 2**31
    write_gguf(file, module, Q8)
    assert "but the weights hold 2" in told(file)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny.gguf", ["has no config.json, but it holds tiny.gguf, as ", "tiny.gguf; give a folder in Hugging Face"]),
        ("consolidated.00.pth", ["has no config.json, but it holds consolidated.00.pth; give a folder"]),
        ("model.onnx", ["has no config.json, but it holds model.onnx; give"]),
        ("notes.txt", ["has no config.json; give a folder"]),
    ],
)
def test_a_folder_of_another_kind(tmp_path: Path, name: str, words: list[str]) -> None:
    (tmp_path / name).touch()
    message = told(tmp_path)
    assert all(each in message for each in words), message
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert "has no weights: expected model.safetensors or pytorch_model.bin, whole or in shards" in told(tmp_path)


def adapted(folder: Path, base: Path, named: str, **options: Any) -> Path:
    """Adapters that change something."""
    torch.manual_seed(1)
    module = AutoModelForCausalLM.from_pretrained(base)
    settings = peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    with_adapters = peft.get_peft_model(module, settings)
    for name, parameter in with_adapters.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    with_adapters.save_pretrained(folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": named}))
    return folder


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("beside", [True, False])
def test_adapters_are_merged_into_their_base(tmp_path: Path, family: str, beside: bool) -> None:
    folder = tmp_path / "adapters"
    base = save_model(folder / "base" if beside else tmp_path / "model", family)
    adapted(folder, base, "base" if beside else str(base))
    settings = ModelSettings(model=str(folder))
    flat, _ = load_model(settings)
    assert flat.layout == load_layout(settings) == load_layout(ModelSettings(model=str(base)))
    ids = torch.tensor([[1, 2, 3, 4]])
    expected = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)(input_ids=ids).logits
    plain = AutoModelForCausalLM.from_pretrained(base)(input_ids=ids).logits
    found = flat.module(input_ids=ids).logits
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3) and not torch.allclose(found, plain, atol=1e-2)
    again, _ = load_model(settings)
    assert again.base_digest() == flat.base_digest()
    assert load_model(ModelSettings(model=str(folder), lora_rank=2))[0].layout.size > 0  # new ones on top


def without_first(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors.pop(min(tensors))
    save_file(tensors, file)


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    torch.save({"a": Evil()}, folder / "adapter_model.bin")


def in_config(**values: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return change


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (without_first, {}, ["the adapters lack base_model.model."]),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), {}, ["cannot be loaded: adapters"]),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x" * 99), {}, ["cannot be loaded: adap"]),
        (lambda folder: (folder / "adapter_config.json").write_bytes(b"{"), {}, ["does not say the adapters' base"]),
        (lambda folder: (folder / "adapter_config.json").write_bytes(b"\xff"), {}, ["is no UTF-8"]),
        (in_config(base_model_name_or_path=None), {}, ["does not say the adapters' base"]),
        (in_config(base_model_name_or_path="."), {}, ["adapters and their base in one folder"]),
        (in_config(base_model_name_or_path="/no/folder"), {}, ["model folder /no/folder does not exist (the base of"]),
        (pickled, {}, ["cannot be loaded: adapters"]),
        (in_config(r=3), {}, ["cannot be loaded: adapters"]),
        (in_config(peft_type="none"), {}, ["cannot be loaded: adapters"]),
        (in_config(megatron_config={"a": 1}, megatron_core="evil"), {}, None),  # No module that a file names is run.
        (lambda _: None, {"task": "classification", "choices": ("a", "b")}, ["not found in the base model"]),
        (lambda _: None, {"dtype": "bfloat16"}, None),
    ],
)
def test_adapters_that_do_not_fit(
    tmp_path: Path, change: Callable[[Path], object], options: dict[str, Any], words: list[str] | None
) -> None:
    base = save_model(tmp_path / "model", "gpt2")
    folder = adapted(tmp_path / "adapters", base, str(base))
    change(folder)
    if words is None:
        load_model(ModelSettings(model=str(folder), **options))
        return
    message = told(folder, **options)
    assert all(each in message for each in words), message
    assert not Path("evil").exists()


OFFLINE = """
import sys
from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
for name in sys.argv[1:]:
    try:
        print(load_model(ModelSettings(model=name))[0].layout.size)
    except BadInput as error:
        print(error)
"""


def test_hub_names_without_a_network(tmp_path: Path, tiny_model: Path) -> None:
    """One that is in the cache loads, another is told in one line."""
    commit = "0" * 40
    repository = tmp_path / "hub" / "models--me--tiny"
    shutil.copytree(tiny_model, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", OFFLINE, "me/tiny", "me/none"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    cached, missing = done.stdout.splitlines()
    assert cached == str(load_layout(ModelSettings(model=str(tiny_model))).size)
    assert missing.startswith("model 'me/none' cannot be loaded: config.json: ")
    assert "there is no folder or file of this name here" in missing and "copy the model's folder here" in missing
