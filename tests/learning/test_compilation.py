"""Compiled losses: the same code whatever came before, and what does not fit runs as it is."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.learning.compilation import _canonical_batch, compile_loss
from fedsift.learning.cpp_compiler import cpp_compiler
from fedsift.learning.gradient import Gradient
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.reproducibility import environment_fingerprint
from tests.learning.test_reproducibility import train_one
from tests.models import save_model


def test_sizes_are_all_different() -> None:
    """Rows, length and targets of a batch: torch would compile for rows == length where they are the same at first."""
    _, task = load_model(ModelSettings())
    batch = _canonical_batch(task, ("two three",))
    sizes = sorted([*batch.input_ids.shape, *batch.target.shape])
    assert sizes[0] > 1
    assert all(a < b for a, b in pairwise(sizes))


def test_without_a_compiler(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    cpp_compiler.cache_clear()
    with pytest.raises(BadInput, match=r"^compile needs a C\+\+ compiler, and there is no [a-z+]+: install it, or "):
        load_model(ModelSettings(model=str(tiny_model), compile=True))


def test_the_compiler_is_in_the_fingerprint_of_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho a compiler 1.2\necho of somebody\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    cpp_compiler.cache_clear()
    assert environment_fingerprint(compiled=True)["compiler"] == "a compiler 1.2"
    assert environment_fingerprint()["compiler"] == ""
    cpp_compiler.cache_clear()


def test_what_is_not_compiled() -> None:
    with pytest.raises(BadInput, match="compile and checkpointing exclude each other"):
        ModelSettings(compile=True, checkpointing=True)
    with pytest.raises(BadInput, match="compile belongs to a transformers model; task mine:task brings its own"):
        ModelSettings(task="mine:task", compile=True)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_whether_a_batch_fits_depends_on_its_shape(family: str, tmp_path: Path) -> None:
    """Gradients of several rows are those of other code, equal up to rounding; of one row they are the same bits."""
    model, task = load_model(ModelSettings(model=str(save_model(tmp_path, family)), max_length=64))
    plain = task.loss
    compile_loss(model, task, ())
    examples = [Example("what is it? " * words, " a house") for words in range(1, 5)]

    def gradient(loss: Any, rows: int) -> torch.Tensor:
        batch = task.batch([task.encode(example) for example in examples[:rows]])
        found = torch.empty_like(model.weights)
        Gradient(model).of_step([(batch, 1.0)], loss, lambda entries, part: found[entries].copy_(part))
        return found

    several = [gradient(task.loss, rows) for rows in (4, 2, 3, 4)]
    torch.testing.assert_close(several[0], gradient(plain, 4))
    assert not torch.equal(several[0], gradient(plain, 4))
    assert torch.equal(several[0], several[3])
    assert torch.equal(gradient(task.loss, 1), gradient(plain, 1))


@pytest.mark.slow
def test_who_came_before_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of their own: nothing compiled on disk; clients of other sizes before, and all that on disk."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    first, later = (train_one("-m", "tests.learning.train_one", others, "--compile") for others in ("0", "2"))
    assert any(tmp_path.iterdir())
    assert first["upload"] == later["upload"]
    assert first["upload"] != train_one()["upload"]
    assert first["environment"]["compiler"] == cpp_compiler()
