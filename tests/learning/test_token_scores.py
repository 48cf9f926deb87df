"""What a model says of each token of a target, against its own logits, a row at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fedsift.core.examples import Example
from fedsift.learning import token_scores as module
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.token_scores import TokenScores, token_scores
from fedsift.learning.weight_rounding import round_weights
from tests.models import EOS, save_model

ROWS = [Example("ab", "c"), Example("x", "yz!"), Example("hello", "you")]


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_against_full_logits(tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOKENS_AT_ONCE", 2)
    flat, task = load_model(ModelSettings(model=str(save_model(tmp_path, family)), max_length=16))
    encoded = [task.encode(each) for each in ROWS]
    found = token_scores(task, flat.module, encoded, batch_size=2)
    assert found.counts.tolist() == ([2, 4, 4] if family == "t5" else [1, 3, 3])
    logs = []
    for row in encoded:
        with torch.no_grad():
            if family == "t5":
                ids = torch.tensor([[EOS, *row.target[:-1]]])
                logits = flat.module(input_ids=torch.tensor([row.prompt]), decoder_input_ids=ids).logits[0]
            else:
                logits = flat.module(torch.tensor([row.ids])).logits[0, -1 - row.targets : -1]
        logs.append(logits.double().log_softmax(-1).numpy())
    by_token = np.concatenate(logs)
    targets = np.array([token for row in encoded for token in task.targets(row)])
    of_target = by_token[np.arange(len(targets)), targets]
    mean = (np.exp(by_token) * by_token).sum(1)
    deviation = np.sqrt(np.maximum((np.exp(by_token) * by_token**2).sum(1) - mean**2, 1e-6))
    np.testing.assert_allclose(found.losses, -of_target, rtol=1e-4)
    np.testing.assert_allclose(found.normalised, (of_target - mean) / deviation, rtol=1e-2, atol=1e-3)
    assert found.greedy.tolist() == (by_token.argmax(1) == targets).tolist()
    of_rows = [-each.mean() for each in found.by_row(of_target)]
    np.testing.assert_allclose(found.row_losses, of_rows, rtol=1e-4)


def test_rows_of_several() -> None:
    one = TokenScores(np.array([2]), np.array([1.0, 3.0]), np.zeros(2), np.ones(2, np.bool_))
    both = TokenScores.joined([one, TokenScores(np.array([1]), np.array([5.0]), np.zeros(1), np.zeros(1, np.bool_))])
    assert [each.tolist() for each in both.by_row(both.losses)] == [[1, 3], [5]]
    assert both.row_losses.tolist() == [2, 5]


def test_weights_of_few_bits(tiny_model: Path) -> None:
    """Of each row of a matrix, all but 7 values on either side of 0 are gone; its largest is as it was."""
    flat, _ = load_model(ModelSettings(model=str(tiny_model), max_length=16))
    name = "transformer.h.0.mlp.c_fc.weight"
    weight, bias = (dict(flat.module.named_parameters())[each] for each in (name, name.replace("weight", "bias")))
    before, biases = weight.detach().clone(), bias.detach().clone()
    round_weights(flat, 4)
    for row, was in zip(weight.detach(), before, strict=True):
        assert len(row.unique()) <= 15
        assert row.abs().max() == pytest.approx(float(was.abs().max()))
        assert (row - was).abs().max() <= was.abs().max() / 14 * 1.001
    assert torch.equal(bias, biases)
    flat.load_base()
    assert torch.equal(weight, before)
