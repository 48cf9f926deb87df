"""What weights on disk tell of the patterns of `tune`, held against the model itself."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_layout
from fedsift.learning.stored_names import may_be_tuned, stored_names

PATTERNS = ("hidden", "*.ln_1.*", "*.ln_1.*, *.mlp.*", "*.ln_7.*", "*.mlp.*,*.ln_7.*", "transformer.h.0.*", "mlp", "")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_may_not_be_tuned_is_no_parameter(pattern: str, tiny_model: Path) -> None:
    settings = ModelSettings(model=str(tiny_model), tune=pattern)
    try:
        tunable = bool(load_layout(settings))
    except BadInput:
        tunable = False
    assert may_be_tuned(settings) is tunable


def test_weights_in_another_format_tell_nothing(tiny_model: Path, tmp_path: Path) -> None:
    torch.save(load_file(tiny_model / "model.safetensors"), tmp_path / "pytorch_model.bin")
    assert may_be_tuned(ModelSettings(model=str(tmp_path), tune="*.ln_7.*"))
    assert may_be_tuned(ModelSettings(model="owner/name", tune="*.ln_7.*"))


def test_shards_and_damage(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a.weight": "1", "b.weight": "2"}}', encoding="utf-8")
    assert [*stored_names(tmp_path)] == ["a.weight", "b.weight"]
    for damaged in ('{"weight_map": 3}', "[]", "{"):
        index.write_text(damaged, encoding="utf-8")
        assert not stored_names(tmp_path)
    index.unlink()
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    assert not stored_names(tmp_path)
    save_file({"c.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert [*stored_names(tmp_path)] == ["c.weight"]
