import math
from pathlib import Path

import pytest
import torch
from torch import nn

from fedsift.causal_lm import CausalLanguageModelling
from fedsift.errors import BadInput
from fedsift.examples import Example
from fedsift.models import load_model

EXAMPLES = [Example("ab", "c"), Example("x", "yz!")]


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[nn.Module, CausalLanguageModelling]:
    module, tokenizer = load_model(str(tiny_model))
    return module.eval(), CausalLanguageModelling(tokenizer, module, max_length=8)


def test_targets_are_predicted_one_place_earlier(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    """Rows "abc" and "xyz!" with byte tokens: c is predicted at place 1; y, z and ! at places 0, 1 and 2."""
    _, task = loaded
    batch = task.batch([task.encode(example) for example in EXAMPLES])
    assert batch.row.tolist() == [0, 1, 1, 1]
    assert batch.position.tolist() == [1, 0, 1, 2]
    assert batch.target.tolist() == [batch.input_ids[0, 2], *batch.input_ids[1, 1:4]]
    assert batch.input_ids.shape == (2, 4)


def test_loss_and_score_against_full_logits(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    """Each row alone, unpadded, with the model's own logits."""
    module, task = loaded
    log_probabilities = []
    for example in EXAMPLES:
        ids, targets = task.encode(example)
        with torch.no_grad():
            logits = module(torch.tensor([ids])).logits[0].log_softmax(-1)
        log_probabilities.append([logits[i - 1, ids[i]].item() for i in range(len(ids) - targets, len(ids))])
    expected = sum(math.exp(sum(row) / len(row)) for row in log_probabilities) / 2
    assert task.score(module, EXAMPLES, batch_size=2) == pytest.approx(expected, rel=1e-5)
    assert task.score(module, EXAMPLES, batch_size=1) == pytest.approx(expected, rel=1e-5)
    flat = [value for row in log_probabilities for value in row]
    batch = task.batch([task.encode(example) for example in EXAMPLES])
    assert task.loss(module, batch).item() == pytest.approx(-sum(flat) / len(flat), rel=1e-5)


def test_a_model_that_scales_its_logits_keeps_its_own_head(tiny_model: Path) -> None:
    module, tokenizer = load_model(str(tiny_model))
    plain = CausalLanguageModelling(tokenizer, module, 8).score(module, EXAMPLES, 2)
    forward = module.forward

    def scaled(*args: object, **kwargs: object) -> object:
        output = forward(*args, **kwargs)
        output.logits = output.logits * 3
        return output

    module.forward = scaled
    with torch.no_grad():
        ids = torch.tensor([CausalLanguageModelling(tokenizer, module, 8).encode(EXAMPLES[0])[0]])
        expected = module(ids).logits[0, 1].softmax(-1)[ids[0, 2]].item()
    task = CausalLanguageModelling(tokenizer, module, 8)
    assert task.score(module, EXAMPLES[:1], 2) == pytest.approx(expected, rel=1e-5)
    assert task.score(module, EXAMPLES, 2) != plain


def test_long_targets_are_cut_and_long_prompts_refused(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    _, task = loaded
    ids, targets = task.encode(Example("abcd", "efghijkl"))
    assert (len(ids), targets) == (8, 4)
    with pytest.raises(BadInput, match="the prompt has 8 tokens, the target 1, max-length is 8"):
        task.encode(Example("abcdefgh", "i"))
    with pytest.raises(BadInput, match="no target token"):
        task.encode(Example("ab", ""))


def test_a_small_client_trains_on_all_its_rows(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    _, task = loaded
    batches = list(task.training_batches(EXAMPLES, batch_size=2, steps=3, seed=1))
    assert len(batches) == 3
    assert all(batch is batches[0] for batch in batches)


def test_a_large_client_sees_each_row_once_an_epoch(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    _, task = loaded
    examples = [Example("p", chr(97 + index)) for index in range(6)]
    batches = list(task.training_batches(examples, batch_size=2, steps=6, seed=1))
    epochs = [sorted(torch.cat([batch.target for batch in batches[i : i + 3]]).tolist()) for i in (0, 3)]
    assert epochs[0] == epochs[1] == sorted({t for epoch in epochs for t in epoch})
    again = list(task.training_batches(examples, batch_size=2, steps=6, seed=1))
    assert [batch.target.tolist() for batch in again] == [batch.target.tolist() for batch in batches]
    other = list(task.training_batches(examples, batch_size=2, steps=6, seed=2))
    assert [batch.target.tolist() for batch in other] != [batch.target.tolist() for batch in batches]
