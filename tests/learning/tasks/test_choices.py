"""Language modelling and accuracy by likelihood, against each choice run alone through the whole model."""

import math
from pathlib import Path

import pytest
import torch

from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tasks.task import mean_score
from tests.models import ALPHABET, EOS, save_model

CHOICES = ("no", "nope", "yes")  # one is the beginning of another
ROWS = [(f"question {number}?", f" {CHOICES[number % 3]}") for number in range(7)]


@pytest.fixture(scope="module", params=["gpt2", "llama", "t5", "flan-t5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(request.param), request.param)


def alone(folder: Path, prompt: str, choice: str, ends: bool = True) -> float:
    """Log-probability of a choice, and of the end after it, token by token, unpadded, by the model's own forward."""
    flat, _ = load_model(ModelSettings(model=str(folder)))
    if "t5" in folder.name:
        ids = torch.tensor([[*_bytes(prompt), EOS]])
        target = [*_bytes(choice), EOS]
        logits = flat.module(input_ids=ids, decoder_input_ids=torch.tensor([[EOS, *target[:-1]]])).logits[0]
    else:
        before, target = _bytes(prompt), [*_bytes(f" {choice}"), EOS]
        logits = flat.module(torch.tensor([before + target])).logits[0, len(before) - 1 : -1]
    target = target if ends else target[:-1]
    return sum(logits.log_softmax(-1)[i, token].item() for i, token in enumerate(target))


def _bytes(text: str) -> list[int]:
    return [ALPHABET.index("Ġ" if character == " " else character) for character in text]


def test_the_likeliest_choice_counts(folder: Path) -> None:
    flat, task = load_model(ModelSettings(model=str(folder), choices=CHOICES))
    encoded = [task.encode(row) for row in ROWS]
    with torch.no_grad():
        likelihoods = [[alone(folder, prompt, choice) for choice in CHOICES] for prompt, _ in ROWS]
        expected = [float(each.index(max(each)) == number % 3) for number, each in enumerate(likelihoods)]
        assert task.scores(flat.module, task.score_batch(encoded)).tolist() == expected
    assert task.metric == "accuracy"
    for batch_size in (1, 3, 7):
        found = mean_score(task, flat.module, encoded, batch_size, torch.device("cpu"))
        assert found == pytest.approx(sum(expected) / len(expected))


def test_free_answers_are_scored_by_their_probability(folder: Path) -> None:
    """Per token; a decoder's target has its end, a causal model's has not."""
    flat, task = load_model(ModelSettings(model=str(folder)))
    encoded = [task.encode(row) for row in ROWS[:3]]
    with torch.no_grad():
        found = task.scores(flat.module, task.score_batch(encoded)).tolist()
        expected = [alone(folder, prompt, target.strip(), ends="t5" in folder.name) for prompt, target in ROWS[:3]]
    lengths = map(task.terms, encoded)
    assert found == pytest.approx([math.exp(each / n) for each, n in zip(expected, lengths, strict=True)], rel=1e-5)
    assert task.metric == "answer probability"


def test_tuning_is_on_the_right_choice(folder: Path) -> None:
    flat, task = load_model(ModelSettings(model=str(folder), choices=CHOICES))
    encoded = [task.encode(row) for row in ROWS[:2]]
    with torch.no_grad():
        found = task.loss(flat.module, task.batch(encoded)).item()
        total = sum(alone(folder, prompt, target.strip()) for prompt, target in ROWS[:2])
    assert found == pytest.approx(-total / sum(map(task.terms, encoded)), rel=1e-5)


def test_a_target_that_is_no_choice(folder: Path) -> None:
    _, task = load_model(ModelSettings(model=str(folder), choices=CHOICES))
    with pytest.raises(BadInput, match="unknown choice 'yess'; did you mean 'yes'"):
        task.encode(("question?", " yess"))


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_a_prompt_that_is_too_long_does_not_tell_the_answer(tmp_path: Path, kind: str) -> None:
    """What is left of it, and so the features of the shared head, is the same whichever choice is right."""
    folder, choices = save_model(tmp_path / kind, kind), ("no", "certainly")
    flat, task = load_model(ModelSettings(model=str(folder), choices=choices, max_length=24))
    encoded = [task.encode(("a question that is far too long to fit?", f" {choice}")) for choice in choices]
    with torch.no_grad():
        first, second = (task.features(flat.module, task.batch([each])) for each in encoded)
    assert torch.equal(first, second)
