"""A client's training in a round: what is added to a plain fine-tuning, and what is minimised in its place."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsift.core.local_training import LocalTraining, Objective
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.preference import BETA, SIMPLE_BETA, NegativePreference
from fedsift.learning.tuning_settings import TuningSettings

ROWS = [("ab", "c"), ("x", "z")]
LR, STEPS = 0.01, 4
SETTINGS = TuningSettings(steps=STEPS, lr=LR, batch_size=4, lr_schedule="linear")


@pytest.fixture
def tuner(tiny_model: Path) -> FineTuner:
    return FineTuner(*load_model(ModelSettings(model=str(tiny_model))), SETTINGS, root_seed=1)


@pytest.fixture
def start(tuner: FineTuner) -> np.ndarray:
    """A model that others have trained."""
    return tuner.fine_tune("bob", tuner.encode("bob", [("q", "r")]))


def test_it_is_a_fine_tuning_from_the_rounds_model(tuner: FineTuner, start: np.ndarray) -> None:
    encoded = tuner.encode("ann", ROWS)
    found = tuner.local("ann", 2, encoded, start, LocalTraining(STEPS))
    assert found.task_vector.tobytes() == tuner.fine_tune("ann round 2", encoded, STEPS, start).tobytes()
    assert (found.rows, found.steps) == (2, STEPS)
    assert found.reach == pytest.approx(LR * (1 + 0.75 + 0.5 + 0.25))
    again = tuner.local("ann", 2, encoded, start, LocalTraining(STEPS))
    assert again.task_vector.tobytes() == found.task_vector.tobytes()


def test_rounds_take_rows_in_other_orders(tuner: FineTuner, start: np.ndarray) -> None:
    encoded = tuner.encode("ann", [(f"row {number}", "xyz"[number % 3]) for number in range(9)])
    one, two = (tuner.local("ann", number, encoded, start, LocalTraining(STEPS)).task_vector for number in (1, 2))
    assert not np.array_equal(one, two)


def test_the_correction_is_added_to_each_step(tuner: FineTuner, start: np.ndarray) -> None:
    """In one step it changes nothing else; in several its sum is about the reach times it."""
    encoded = tuner.encode("ann", ROWS)
    correction = np.linspace(-1, 1, len(start), dtype=np.float32)
    plain, corrected = (
        tuner.local("ann", 1, encoded, start, LocalTraining(1, correction=each)) for each in (None, correction)
    )
    np.testing.assert_allclose(corrected.task_vector, plain.task_vector - LR * correction, atol=1e-6)


def test_the_proximal_term_is_the_gradient_of_a_square(tuner: FineTuner, start: np.ndarray) -> None:
    """At the first step it is nothing; a large one holds the model near where it began."""
    encoded = tuner.encode("ann", ROWS)
    once = [tuner.local("ann", 1, encoded, start, LocalTraining(1, proximal=mu)).task_vector for mu in (0.0, 5.0)]
    assert once[0].tobytes() == once[1].tobytes()
    far, near = (tuner.local("ann", 1, encoded, start, LocalTraining(STEPS, proximal=mu)).task_vector for mu in (0, 99))
    assert np.linalg.norm(near - start) < 0.7 * np.linalg.norm(far - start)


def test_ascent_goes_the_other_way(tuner: FineTuner, start: np.ndarray) -> None:
    encoded = tuner.encode("ann", ROWS)
    down, up = (
        tuner.local("ann", 1, encoded, start, LocalTraining(1, objective)).task_vector - start
        for objective in (Objective.LOSS, Objective.ASCENT)
    )
    np.testing.assert_allclose(up, -down, atol=1e-6)
    risen = tuner.local("ann", 1, encoded, start, LocalTraining(STEPS, Objective.ASCENT)).task_vector
    assert tuner.score(risen, encoded) < tuner.score(start, encoded)


def test_negative_preference_begins_as_ascent_and_fades(tuner: FineTuner, start: np.ndarray) -> None:
    """Where the model is the reference, its gradient is that of ascent; Adam's first step has no other scale."""
    encoded = tuner.encode("ann", ROWS)
    up, npo = (
        tuner.local("ann", 1, encoded, start, LocalTraining(1, objective)).task_vector - start
        for objective in (Objective.ASCENT, Objective.NPO)
    )
    assert np.isclose(npo, up, atol=2e-5).mean() > 0.99  # The gradient of a key's bias is zero but for its rounding.
    fallen = tuner.local("ann", 1, encoded, start, LocalTraining(STEPS, Objective.NPO)).task_vector
    assert tuner.score(fallen, encoded) < tuner.score(start, encoded)


def test_simpler_preference_by_hand(tuner: FineTuner, start: np.ndarray, tiny_model: Path) -> None:
    """-2/beta log sigma(-beta/|y| log p), from a row's probability: no earlier model is asked."""
    model, task = load_model(ModelSettings(model=str(tiny_model)))
    wrapped, encoded = NegativePreference(task, simple=True), [task.encode(row) for row in ROWS]
    for (row, reference), (_, loss) in zip(
        wrapped.pairs(model, encoded), NegativePreference(task).pairs(model, encoded), strict=True
    ):
        with torch.no_grad():
            found = wrapped.loss(model.module, wrapped.batch([(row, reference)]))
        sigma = 1 / (1 + math.exp(SIMPLE_BETA * math.log(math.exp(-loss))))
        assert float(found) == pytest.approx(-2 / SIMPLE_BETA * math.log(sigma), rel=1e-5)
    rows = tuner.encode("ann", ROWS)
    fallen = tuner.local("ann", 1, rows, start, LocalTraining(STEPS, Objective.SIMNPO)).task_vector
    assert tuner.score(fallen, rows) < tuner.score(start, rows)


def test_its_loss_is_the_authors(tiny_model: Path) -> None:
    """-2/beta log sigma(-beta log(p / p_ref)), from probabilities of the model before and after a change."""
    model, task = load_model(ModelSettings(model=str(tiny_model)))
    wrapped, encoded = NegativePreference(task), [task.encode(row) for row in ROWS]
    pairs = wrapped.pairs(model, encoded)
    model.weights.data.mul_(1.5)
    for (row, reference), (_, after) in zip(pairs, wrapped.pairs(model, encoded), strict=True):
        ratio = math.exp(-after) / math.exp(-reference)
        sigma = 1 / (1 + math.exp(BETA * math.log(ratio)))
        with torch.no_grad():
            found = wrapped.loss(model.module, wrapped.batch([(row, reference)]))
        assert float(found) == pytest.approx(-2 / BETA * math.log(sigma), rel=1e-5)
        assert after != pytest.approx(reference, rel=1e-3)
