"""Names that others have for an option, in Python and in a config.toml."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fedsift
from tests.cli.commands import failed


@pytest.mark.parametrize(
    ("called", "told"),
    [
        (lambda **folder: fedsift.simulate(learning_rate=0.1, **folder), "learning_rate is called lr here"),
        (lambda **folder: fedsift.simulate(output_dir="x", **folder), "output_dir is called out here"),
        (lambda **folder: fedsift.compare(num_rounds=3, **folder), "num_rounds is called rounds here"),
        (
            lambda **folder: fedsift.optout("one-client", per_device_train_batch_size=3, **folder),
            "per_device_train_batch_size is called batch_size here",
        ),
        (lambda **_: fedsift.RunConfig(num_train_epochs=1), "num_train_epochs is called epochs here"),
        (lambda **_: fedsift.RunConfig(lora_r=1), "lora_r is called lora_rank here"),
        (lambda **_: fedsift.RunConfig(dtype="bf16"), "bf16 is called bfloat16 here"),
    ],
)
def test_in_python(called: Callable[..., Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(fedsift.BadInput, match=told):
        called(out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_in_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("gradient_checkpointing = true\n", encoding="utf-8")
    told = f"{file}: unknown key 'gradient_checkpointing'; gradient_checkpointing is called checkpointing here"
    assert told in failed("run", file)
