"""What a model is asked about rows, against its task and against what is asked one by one."""

import dataclasses

import numpy as np

from fedsift.configuration.run_config import RunConfig
from fedsift.core.examples import Example
from fedsift.learning.models import load_layout
from fedsift.studies.recall import Asked, Recall, recall
from fedsift.studies.training_calls import example_losses

ROWS = [Example("Q: a?\nA:", " bbb"), Example("Q: what?\nA:", " d")]
WRONG = [["ccc", "d"], ["bbb", "ccc"]]


def test_all_at_once_is_what_each_is_alone(tiny_config: RunConfig) -> None:
    vector = np.full(load_layout(tiny_config.model_settings).size, 0.01, np.float32)
    asked = Asked(ROWS, tokens=True, wrong=WRONG, says=True, samples=3)
    found = recall(tiny_config, vector, asked)
    np.testing.assert_allclose(found.losses, example_losses(tiny_config, vector, ROWS), rtol=1e-6)
    for row, answers, losses in zip(ROWS, WRONG, found.wrong_losses, strict=True):
        told = [Example(row.prompt, f" {answer}") for answer in answers]
        np.testing.assert_allclose(losses, example_losses(tiny_config, vector, told), rtol=1e-5)
    assert (found.said.shape, found.drawn.shape) == ((2,), (2, 3))
    assert (found.paraphrase_losses.shape, found.paraphrase_said.shape) == ((0,), (0,))
    # A paraphrase that is the answer itself has its losses and its ROUGE-L.
    same = recall(tiny_config, vector, asked._replace(paraphrases=[row.target.strip() for row in ROWS]))
    np.testing.assert_allclose(same.paraphrase_losses, found.losses, rtol=1e-5)
    np.testing.assert_array_equal(same.paraphrase_said, found.said)
    assert found.tokens is not None
    assert found.tokens.counts.tolist() == [4, 2]
    # Each row is the same alone, what is drawn after it too.
    one_by_one = [Asked([row], True, [wrong], True, 3) for row, wrong in zip(ROWS, WRONG, strict=True)]
    joined = Recall.joined([recall(tiny_config, vector, each) for each in one_by_one])
    np.testing.assert_allclose(joined.losses, found.losses, rtol=1e-5)
    np.testing.assert_array_equal(joined.drawn, found.drawn)
    np.testing.assert_array_equal(joined.said, found.said)
    again = recall(tiny_config, vector, asked)
    assert all(np.array_equal(one, other) for one, other in zip(again[:-1], found[:-1], strict=True))


def test_rounded_weights_are_no_more_than_asked_for(tiny_config: RunConfig) -> None:
    whole, rounded, after = (recall(tiny_config, None, Asked(ROWS, bits=bits)).losses for bits in (0, 4, 0))
    assert not np.array_equal(whole, rounded)
    assert np.array_equal(whole, after)


def test_other_tasks_have_losses_alone(tiny_config: RunConfig) -> None:
    config = dataclasses.replace(tiny_config, choices=("bbb", "d"))
    found = recall(config, None, Asked(ROWS, tokens=True))
    np.testing.assert_array_equal(found.losses, example_losses(config, None, ROWS))
    assert found.tokens is None
    assert Recall.joined([found, found]).losses.tolist() == [*found.losses, *found.losses]
    assert config.model_settings.has_free_answers is False
