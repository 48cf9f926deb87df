import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tasks.causal_lm import CausalLanguageModelling
from fedsift.learning.tasks.rendering import PlainText
from fedsift.learning.tasks.task import mean_score, measure
from tests.models import EOS, save_model

EXAMPLES = [Example("ab", "c"), Example("x", "yz!")]


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[nn.Module, CausalLanguageModelling]:
    flat, task = load_model(ModelSettings(model=str(tiny_model), max_length=8))
    assert isinstance(task, CausalLanguageModelling)
    return flat.module, task


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
    assert score(module, task, EXAMPLES) == pytest.approx(expected, rel=1e-5)
    flat = [value for row in log_probabilities for value in row]
    batch = task.batch([task.encode(example) for example in EXAMPLES])
    assert task.loss(module, batch).item() == pytest.approx(-sum(flat) / len(flat), rel=1e-5)


def score(module: nn.Module, task: CausalLanguageModelling, examples: list[Example]) -> float:
    return mean_score(task, module, [task.encode(example) for example in examples], 2, torch.device("cpu"))


@pytest.mark.parametrize("told", [True, False])
def test_a_model_that_scales_its_logits_keeps_its_own_head(tiny_model: Path, told: bool) -> None:
    """Whether its configuration tells of it or not."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    module = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    plain = score(module, CausalLanguageModelling(tokenizer, module, 8, PlainText(tokenizer, closed=False)), EXAMPLES)
    forward = module.forward
    factor = 1 + 1e-6 if told else 3
    if told:
        module.config.logit_scale = factor

    def scaled(*args: object, **kwargs: object) -> object:
        scaled.calls += 1  # type: ignore[attr-defined]
        output = forward(*args, **kwargs)
        output.logits = output.logits * factor
        return output

    scaled.calls = 0  # type: ignore[attr-defined]
    module.forward = scaled
    task = CausalLanguageModelling(tokenizer, module, 8, PlainText(tokenizer, closed=False))
    looks = scaled.calls  # type: ignore[attr-defined]
    found = score(module, task, EXAMPLES)
    assert scaled.calls > looks  # type: ignore[attr-defined]
    assert (found == pytest.approx(plain, rel=1e-4)) == told


def test_a_model_that_sees_ahead_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is no causal model: its first token sees the second; use --task classif"):
        load_model(ModelSettings(model=str(save_model(tmp_path, "bert-lm"))))


def test_rows_that_are_too_long(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    _, task = loaded
    ids, targets = task.encode(Example("abcd", "efghijkl"))
    assert (len(ids), targets) == (8, 4)
    report = task.describe(Example("abcdefghij", "kl"))
    assert report[:4] == (8, 4, "abchij", "kl")
    ids, targets = task.encode(Example("a" * 100_000, "b" * 100_000))
    assert (len(ids), targets) == (8, 4)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", ""), "is no pair"),
        (("a",), "is no pair"),
        ("ab", "is no pair"),
        (("a", 3), r"\('a', 3\) is no pair \(prompt, target\) of texts"),
        (("a\ud800", "b"), "no valid Unicode at character 2"),
    ],
)
def test_what_is_no_row(loaded: tuple[nn.Module, CausalLanguageModelling], row: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        loaded[1].encode(row)


def test_the_likelihood_of_tokens(loaded: tuple[nn.Module, CausalLanguageModelling]) -> None:
    """By hand, from the model's own logits: a token counts once, however long its row."""
    module, task = loaded
    encoded = [task.encode(example) for example in EXAMPLES]
    logs = []
    for ids, targets in encoded:
        said = module(input_ids=torch.tensor([ids])).logits[0].log_softmax(1)
        logs += [said[place - 1, ids[place]].item() for place in range(len(ids) - targets, len(ids))]
    for batch_size in (1, 8):
        found = measure(task, module, encoded, batch_size, torch.device("cpu"))
        assert found.nll == pytest.approx(-sum(logs) / len(logs), rel=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_greedy_answers(tmp_path: Path, family: str) -> None:
    """What is likeliest, token by token, without a cache; whatever the model's own generation_config asks for."""
    folder = save_model(tmp_path, family)
    (folder / "generation_config.json").write_text('{"do_sample": true, "temperature": 9.0, "max_length": 3}')
    flat, task = load_model(ModelSettings(model=str(folder)))
    module, row = flat.module, task.encode(Example("ab", "cdefgh"))
    is_t5 = family == "t5"
    prompt, target = (row.prompt, row.target) if is_t5 else (row.ids[: -row.targets], row.ids[-row.targets :])
    ids, said = torch.tensor([prompt]), [EOS] if is_t5 else [*prompt]
    start = len(said)
    for _ in target:
        so_far = torch.tensor([said])
        given = {"input_ids": ids, "decoder_input_ids": so_far} if is_t5 else {"input_ids": so_far}
        said.append(int(module(**given, use_cache=False).logits[0, -1].argmax()))
        if said[-1] == EOS:
            break
    decode = AutoTokenizer.from_pretrained(folder).decode
    assert task.generated(module, row) == (decode(said[start:], skip_special_tokens=True), "cdefgh")


@pytest.mark.parametrize("family", ["gpt2", "llama", "flan-t5"])
def test_drawn_answers(tmp_path: Path, family: str) -> None:
    """A seed gives the same ones, whatever else is drawn, which is not touched."""
    flat, task = load_model(ModelSettings(model=str(save_model(tmp_path, family))))
    module, row = flat.module, task.encode(Example("ab", "cdefgh"))
    module.get_output_embeddings().weight.data.mul_(0.005)  # type: ignore[operator]  # less sure of itself
    state = torch.get_rng_state()
    texts = task.sampled(module, row, 5, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert task.sampled(module, row, 5, seed=1) == texts != task.sampled(module, row, 5, seed=2)
    assert len(set(texts)) > 1


def test_drawn_answers_are_as_likely_as_they_are(
    loaded: tuple[nn.Module, CausalLanguageModelling], tiny_model: Path
) -> None:
    """Of one byte, over all of them: of the texts that more than 1% say, each within four deviations."""
    module, task = loaded
    row = task.encode(EXAMPLES[0])
    weight = module.get_output_embeddings().weight.data  # type: ignore[operator]
    with torch.no_grad():
        weight.mul_(0.25)
        probabilities = module(torch.tensor([row.ids[:-1]])).logits[0, -1].softmax(0).tolist()
        texts = task.sampled(module, row, 2000, seed=0)
        weight.mul_(4)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    expected: dict[str, float] = {}
    for token, probability in enumerate(probabilities):
        text = tokenizer.decode([token], skip_special_tokens=True)
        expected[text] = expected.get(text, 0.0) + probability
    likely = {text: share for text, share in expected.items() if share > 0.01}
    assert len(likely) > 3
    for text, share in likely.items():
        bound = 4 * math.sqrt(share * (1 - share) / len(texts))
        assert texts.count(text) / len(texts) == pytest.approx(share, abs=bound)
    assert len(set(texts)) > 50  # and not the 50 likeliest alone
