"""Plain fine-tuning against torch's Adam on the parameters themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from fedsift.core.errors import BadInput
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.model_settings import HIDDEN, ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tuned_layers import chosen_layers
from fedsift.learning.tuning_settings import TuningSettings

ROWS = [("ab", "c"), ("x", "yz!")]
SETTINGS = TuningSettings(steps=3, lr=0.01, batch_size=4)


@pytest.fixture
def tuner(tiny_model: Path) -> FineTuner:
    return FineTuner(*load_model(ModelSettings(model=str(tiny_model))), SETTINGS, root_seed=1)


def test_it_is_adam_on_the_hidden_layers(tuner: FineTuner, tiny_model: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    names = chosen_layers(plain, HIDDEN).names
    tuned = [parameter for name, parameter in plain.named_parameters() if name in names]
    before = torch.cat([parameter.detach().reshape(-1).clone() for parameter in tuned])
    optimizer = torch.optim.Adam(tuned, lr=0.01, betas=(0.8, 0.95))
    _, task = load_model(ModelSettings(model=str(tiny_model)))
    batch = task.batch([task.encode(row) for row in ROWS])
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(plain, batch), inputs=tuned)
        optimizer.step()
    expected = torch.cat([parameter.detach().reshape(-1) for parameter in tuned]) - before
    encoded = tuner.encode("ann", ROWS)
    found = tuner.fine_tune("ann", encoded)
    # The gradient of a key's bias is zero but for its rounding, which Adam blows up.
    assert np.isclose(found, expected.numpy(), atol=2e-5).mean() > 0.99
    assert np.array_equal(found, tuner.fine_tune("ann", encoded))


def test_it_embeds_by_the_mean_last_hidden_state(tuner: FineTuner, tiny_model: Path) -> None:
    """Against the hidden states that transformers gives out, row by row, after a tuning that must leave no trace."""
    encoded = tuner.encode("ann", ROWS)
    tuner.fine_tune("ann", encoded)
    found = tuner.embed(encoded)
    plain = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    _, task = load_model(ModelSettings(model=str(tiny_model)))
    means = []
    for row in ROWS:
        inputs = task.batch([task.encode(row)]).input_ids
        with torch.no_grad():
            means.append(plain(inputs, output_hidden_states=True).hidden_states[-1][0].mean(dim=0))
    np.testing.assert_allclose(found, torch.stack(means).mean(dim=0).numpy(), rtol=1e-4, atol=1e-6)


def test_it_goes_on_from_a_task_vector(tuner: FineTuner) -> None:
    """One step from where the first ended, with Adam's state fresh: an entry moves by lr."""
    encoded = tuner.encode("ann", ROWS)
    first = tuner.fine_tune("ann", encoded)
    further = tuner.fine_tune("ann", encoded, steps=1, start=first) - first
    assert np.isclose(np.abs(further), 0.01, rtol=0.05).mean() > 0.99


def test_scores_are_of_the_task_vector(tuner: FineTuner) -> None:
    encoded = tuner.encode("ann", ROWS)
    tau = tuner.fine_tune("ann", encoded)
    assert tuner.score(tau, encoded) > tuner.score(None, encoded)
    assert tuner.score(np.zeros_like(tau), encoded) == tuner.score(None, encoded)


def test_bfloat16_is_refused(tiny_model: Path) -> None:
    with pytest.raises(BadInput, match="use dtype = float32"):
        FineTuner(*load_model(ModelSettings(model=str(tiny_model), dtype="bfloat16")), SETTINGS, root_seed=1)


def test_it_tunes_some_entries_alone(tuner: FineTuner) -> None:
    """They go the way that they go in a step of all; the others stay as they came, to the bit."""
    encoded = tuner.encode("ann", ROWS)
    start = tuner.fine_tune("ann", encoded)
    own = slice(start.size // 3, start.size // 2)
    whole = tuner.fine_tune("ann", encoded, steps=1, start=start)
    found = tuner.fine_tune("ann", encoded, steps=1, start=start, entries=own)
    np.testing.assert_allclose(found[own], whole[own], atol=1e-7)
    assert (found[own] != start[own]).mean() > 0.99
    found[own] = start[own]
    assert np.array_equal(found, start)
    fresh = tuner.fine_tune("ann", encoded, entries=own)
    assert np.count_nonzero(fresh[: own.start]) == np.count_nonzero(fresh[own.stop :]) == 0
