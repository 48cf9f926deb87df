"""What each kind of task says in decisions, against what it scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fedsift.core.blend import log_softmax
from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import CONSTANT, SCALE, Decisions, HeadTerms
from fedsift.learning.decisions import logits_of, said_by_base, targets_and_rows
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.models import load_head_terms, load_model
from fedsift.learning.tasks.task import Task, mean_score
from tests.learning.tasks.decisions import KINDS, Kind, settings_of
from tests.models import save_model


class Loaded:
    """A kind's model and task, and its rows encoded."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.settings = settings_of(kind, str(save_model(folder, kind.family)) if kind.family else "")
        loaded: tuple[FlatModel, Task] = load_model(self.settings)
        self.model, self.task = loaded
        self.rows = [self.task.encode(row) for row in kind.rows]
        terms = load_head_terms(self.settings)
        assert terms is not None
        self.terms = terms


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(request.param, tmp_path_factory.mktemp("model"))


def decisions_of(loaded: Loaded, batch_size: int, terms: HeadTerms | None = None) -> Decisions:
    said = said_by_base(loaded.task, loaded.model, loaded.rows, batch_size, terms or loaded.terms, answers=False)
    assert said.logits is None
    return said.decisions


def test_each_decision_has_features_of_the_width_that_the_terms_say(loaded: Loaded) -> None:
    """And rows in batches, padded, have the same: but for the last place of a rounding."""
    found = decisions_of(loaded, 8)
    assert found.features.shape == (loaded.kind.decisions, loaded.terms.features)
    assert (found.features[:, -1] == CONSTANT).all()
    lengths = np.linalg.norm(found.features[:, :-1].astype(float), axis=1) / SCALE
    assert lengths == pytest.approx(np.ones(len(lengths)), abs=0.1)
    one_by_one = decisions_of(loaded, 1)
    assert abs(one_by_one.features.astype(int) - found.features).max() <= 1
    assert np.unique(found.features, axis=0).shape[0] > 1
    assert (one_by_one.labels == found.labels).all() and (one_by_one.rows == found.rows).all()
    assert np.unique(found.rows).tolist() == [*range(len(loaded.rows))]


def test_labels_above_the_heads_number_share_one(loaded: Loaded) -> None:
    few = HeadTerms(loaded.terms.features, 2)
    labels, _ = targets_and_rows(loaded.task, loaded.rows)
    assert labels.max() >= 2
    assert (decisions_of(loaded, 8, few).labels == labels % 2).all()


def test_logits_score_what_the_task_scores(loaded: Loaded) -> None:
    """With weights that have been tuned too."""
    task, model = loaded.task, loaded.model
    labels, rows = targets_and_rows(task, loaded.rows)
    model.load_base()
    for _ in range(2):
        logits = logits_of(task, model, loaded.rows, 2)
        assert logits.shape == (loaded.kind.decisions, task.labels)
        expected = mean_score(task, model.module, loaded.rows, 8, torch.device("cpu"))
        assert task.score_decisions(log_softmax(logits), labels, rows) == pytest.approx(expected, rel=1e-4)
        with torch.no_grad():
            model.weights.mul_(1.5)
    model.load_base()


def test_one_pass_says_what_two_say(loaded: Loaded) -> None:
    """Decisions and logits of M0 together, as the task makes them, and apart."""
    task, model = loaded.task, loaded.model
    together = said_by_base(task, model, loaded.rows, 8, loaded.terms, answers=True)
    apart = decisions_of(loaded, 8)
    assert all((one == other).all() for one, other in zip(together.decisions, apart, strict=True))
    assert (together.logits is not None) == task.base_answers
    if together.logits is not None:
        assert together.logits == pytest.approx(logits_of(task, model, loaded.rows, 8), rel=1e-4, abs=1e-5)


def test_the_loss_is_that_of_the_right_labels(loaded: Loaded) -> None:
    """Where the task is tuned on its decisions, as it is but for choices, which are tuned on the right one's tokens."""
    if loaded.settings.choices and loaded.settings.task != "classification":
        return
    labels, _ = targets_and_rows(loaded.task, loaded.rows)
    loaded.model.load_base()
    said = log_softmax(logits_of(loaded.task, loaded.model, loaded.rows, 8))
    with torch.no_grad():
        loss = loaded.task.loss(loaded.model.module, loaded.task.batch(loaded.rows)).item()
    assert -said[np.arange(len(labels)), labels].mean() == pytest.approx(loss, rel=1e-4)


def test_features_are_of_the_frozen_model(loaded: Loaded) -> None:
    before = decisions_of(loaded, 8)
    with torch.no_grad():
        loaded.model.weights.mul_(1.5)
    after = decisions_of(loaded, 8)
    assert (before.features == after.features).all()


def test_a_model_with_other_features_is_told(loaded: Loaded) -> None:
    other = HeadTerms(loaded.terms.features + 3, loaded.terms.labels)
    with pytest.raises(BadInput, match=r"the model has \d+ features, and the shared head \d+: leave it out"):
        decisions_of(loaded, 8, other)
