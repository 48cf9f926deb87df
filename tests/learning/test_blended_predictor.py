"""What a client is served and votes on, against a head made anew for each row that is left out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from fedsift.core.blend import BLENDS, Blend, SharedTokens, blended, integer_loss, log_softmax, shared_labels
from fedsift.core.head_statistics import Decisions, quantised
from fedsift.core.shared_head import HeadSums, balance, scores, solve
from fedsift.learning import blended_predictor
from fedsift.learning.blended_predictor import BlendedPredictor, OwnHead, SaidOf
from fedsift.learning.tasks.task import Task
from fedsift.learning.tasks.text import mean_answer_probability

WIDTH, LABELS, RIDGE = 5, 3, 0.4


class Labels(Task):
    """Rows are numbered; nothing is ever run."""

    labels = LABELS

    def batch(self, encoded: Sequence[Any]) -> Any:
        raise NotImplementedError

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        raise NotImplementedError

    def scores(self, model: nn.Module, batch: Any) -> Tensor:
        raise NotImplementedError


class Tokens(Labels):
    """More tokens than the head has labels, and no frequencies of them."""

    labels = 2 * LABELS + 1
    has_prior, base_answers = False, True

    def score_decisions(self, log_probabilities: Any, targets: Any, rows: Any) -> float:
        return mean_answer_probability(log_probabilities, targets, rows)


def some(task: Task, seed: int, rows: Sequence[int]) -> tuple[Decisions, SaidOf]:
    """Rows with so many decisions each, and what is said of them."""
    chance = np.random.default_rng(seed)
    row_of = np.repeat(np.arange(len(rows)), rows).astype(np.int32)
    targets = chance.integers(task.labels, size=len(row_of)).astype(np.int32)
    features = quantised(chance.normal(size=(len(row_of), WIDTH)) + 2 * np.eye(LABELS, WIDTH)[targets % LABELS])
    base, own = (chance.normal(size=(len(row_of), task.labels)).astype(np.float32) for _ in range(2))
    decisions = Decisions(features, (targets % LABELS).astype(np.int32), row_of)
    return decisions, SaidOf(targets, row_of, features, base if task.base_answers else None, own)


def sums_of(*parts: Decisions) -> HeadSums:
    features, labels = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    return HeadSums.of(features, labels, LABELS)


def only(said: SaidOf, rows: Sequence[int]) -> SaidOf:
    """Of some of the rows."""
    kept = np.isin(said.rows, rows)
    base = None if said.base is None else said.base[kept]
    return SaidOf(said.targets[kept], said.rows[kept], said.features[kept], base, None)


@pytest.mark.parametrize(("task", "rows"), [(Labels(), [1] * 7), (Tokens(), [2, 1, 3, 1])], ids=["labels", "tokens"])
@pytest.mark.parametrize("centred", [False, True])
def test_an_own_vote_is_that_without_the_row(task: Task, rows: list[int], centred: bool) -> None:
    """Each row is left out by hand: of the client's rows on top, and of its frequencies of the labels."""
    directions = np.random.default_rng(9).normal(size=(LABELS, WIDTH)).astype(np.float32) if centred else None
    others, (own, said) = some(task, 1, [1] * 40)[0], some(task, 2, rows)
    sums = sums_of(others, own)
    found = BlendedPredictor(task, sums, RIDGE, own, True, directions).own_votes(said)
    places = [place for place, blend in enumerate(BLENDS) if blend.own == 0]
    expected = np.zeros(len(places), np.int64)
    for row in range(len(rows)):
        kept = own.rows != row
        rest = Decisions(own.features[kept], own.labels[kept], own.rows[kept])
        without = BlendedPredictor(task, sums_of(others), RIDGE, rest, directions=directions)
        expected += np.array(without.votes(only(said, [row])))[places]
    assert found == pytest.approx(expected.tolist(), abs=len(said.rows))  # the last place of a rounding


@pytest.mark.parametrize("task", [Labels(), Tokens()], ids=["labels", "tokens"])
def test_parts_change_nothing(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    others, (own, said) = some(task, 1, [1] * 40)[0], some(task, 2, [1, 3, 1, 2, 2])
    predictor = BlendedPredictor(task, sums_of(others, own), RIDGE, own, True)

    def all_of_it() -> tuple[list[float], list[int], list[int]]:
        return [predictor.score(said, blend) for blend in BLENDS], predictor.votes(said), predictor.own_votes(said)

    at_once = all_of_it()
    assert len([*blended_predictor._parts(said)]) == 1
    for entries, parts in ((1, 5), (4 * task.labels, 3)):
        monkeypatch.setattr(blended_predictor, "_ENTRIES", entries if said.base is not None else min(entries, 4))
        cut = [*blended_predictor._parts(said)]
        assert len(cut) == parts
        assert [*np.concatenate([part.rows for _, part in cut])] == [*said.rows]
        found = all_of_it()
        assert found[0] == pytest.approx(at_once[0])
        assert found[1:] == at_once[1:]


def test_a_client_without_rows_is_served_the_shared_head() -> None:
    task = Labels()
    others, said = some(task, 1, [1] * 40)[0], some(task, 2, [1] * 9)[1]
    sums = sums_of(others)
    shared = shared_labels(scores(solve(sums, RIDGE), said.features) * balance(sums), None)
    expected = float((shared.argmax(1) == said.targets).mean())
    assert BlendedPredictor(task, sums, RIDGE).score(only(said, range(9)), Blend()) == pytest.approx(expected)


def test_the_blend_is_of_head_own_model_and_frequencies() -> None:
    """Each by its name: the own model alone, and all three."""
    task = Labels()
    others, (own, said) = some(task, 1, [1] * 40)[0], some(task, 2, [1] * 9)
    predictor = BlendedPredictor(task, sums_of(others, own), RIDGE, own, True)
    assert said.own is not None
    alone = float((said.own.argmax(1) == said.targets).mean())
    assert predictor.score(said, Blend(own=1.0, prior=0.0)) == pytest.approx(alone)
    votes = dict(zip(BLENDS, predictor.votes(said), strict=True))
    counts = np.bincount(own.labels, minlength=LABELS)
    for blend in (each for each in BLENDS if each.own == 1):
        assert votes[blend] == integer_loss(blended(blend, log_softmax(said.own), said.own, counts), said.targets)


def test_tokens_that_share_a_label_of_the_head_share_its_score() -> None:
    task = Tokens()
    others, said = some(task, 1, [1] * 40)[0], some(task, 2, [2, 3])[1]
    sums, blend = sums_of(others), Blend(ratio=0.5)
    assert said.base is not None
    head = scores(solve(sums, RIDGE), said.features)
    spread = np.stack([head[:, token % LABELS] for token in range(task.labels)], axis=1)
    likelihoods = SharedTokens(spread, said.base).under(blend)[np.arange(5), said.targets]
    expected = (np.exp(likelihoods[:2].mean()) + np.exp(likelihoods[2:].mean())) / 2
    assert BlendedPredictor(task, sums, RIDGE).score(only(said, [0, 1]), blend) == pytest.approx(expected)


def test_an_own_head_knows_nobody_else() -> None:
    """Of features that tell the labels apart, all are found; and it is no worse than that of a member among others."""
    task = Labels()
    labels = np.arange(12, dtype=np.int32) % LABELS
    features = quantised(np.eye(LABELS, WIDTH)[labels])
    own = Decisions(features, labels, np.arange(12, dtype=np.int32))
    said = SaidOf(labels, own.rows, features, None)
    assert OwnHead(task, own, LABELS).score(said, Blend()) == 1
