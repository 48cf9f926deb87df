from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.membership.lira import OWN_VARIANCE_FROM, lira, logit
from fedsift.studies.attacks.membership.loss_threshold import loss_attack
from tests.studies.attacks.populations import population

Floats = NDArray[np.float64]


def phi(p: float) -> float:
    return float(np.log(p / (1 - p)))


def by_densities(target: Floats, reference: Floats, seen: NDArray[np.bool_]) -> list[float]:
    """The definition, one example after the other, with the densities of the standard library."""
    sides = {
        kind: [[phi(reference[r, e]) for r in range(len(reference)) if seen[r, e] == kind] for e in range(len(target))]
        for kind in (True, False)
    }

    def shared(kind: bool) -> float | None:
        several = [side for side in sides[kind] if len(side) > 1]
        squares = sum(sum((value - np.mean(side)) ** 2 for value in side) for side in several)
        return float(squares) / sum(len(side) - 1 for side in several) if several else None

    def model(kind: bool, example: int) -> NormalDist:
        side = sides[kind][example]
        variance = float(np.var(side, ddof=1)) if len(side) >= OWN_VARIANCE_FROM else shared(kind)
        if variance is None:
            variance = shared(not kind)
        assert variance is not None
        return NormalDist(float(np.mean(side)), variance**0.5)

    online = all(sides[True])
    scores = []
    for example, confidence in enumerate(target):
        out = model(False, example)
        if online:
            ratio = model(True, example).pdf(phi(confidence)) / out.pdf(phi(confidence))
            scores.append(float(np.log(ratio)))
        else:
            scores.append(out.cdf(phi(confidence)))  # the paper's own score
    return scores


def test_two_examples_by_hand() -> None:
    """Scaled confidences: models 2, 0 with and -1, 1 without the first; 1, 3 with and 2, 0 without the second."""
    scaled = np.array([[2.0, 2.0], [0.0, 0.0], [-1.0, 1.0], [1.0, 3.0]])
    seen = np.array([[True, False], [True, False], [False, True], [False, True]])
    reference = 1 / (1 + np.exp(-scaled))
    target = 1 / (1 + np.exp(-np.array([2.0, 0.0])))
    # Every variance is 2. First: ((2 - 0)^2 - (2 - 1)^2) / 4 = 3 / 4. Second: ((0 - 1)^2 - (0 - 2)^2) / 4 = -3 / 4.
    assert lira(target, reference, seen) == pytest.approx([0.75, -0.75])
    # Offline, over the same four as OUT models: means 0.5 and 1.5; squares 5 + 5 over 6 degrees of freedom.
    offline = lira(target, reference, np.zeros((4, 2), np.bool_))
    assert offline == pytest.approx([1.5 / (10 / 6) ** 0.5, -1.5 / (10 / 6) ** 0.5])


@given(seed=st.integers(0, 2**32), models=st.integers(2, 9), online=st.booleans())
def test_few_models_by_densities(seed: int, models: int, online: bool) -> None:
    assume(models > 2 or not online)  # one with, one without: no variance
    generator = np.random.default_rng(seed)
    target, reference = generator.uniform(0.05, 0.95, 20), generator.uniform(0.05, 0.95, (models, 20))
    seen = generator.random((models, 20)) < 0.5
    seen[0], seen[1] = True, False  # at least one with and one without
    if not online:
        seen[:, 3] = False  # nobody was trained with this one
    scores = lira(target, reference, seen)
    if not online:
        scores = np.array([NormalDist().cdf(score) for score in scores])
    assert scores == pytest.approx(by_densities(target, reference, seen), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", [True, False])
def test_one_model_left_out(kind: bool) -> None:
    """Of three models, each example is in all but one, or in one only: the lone side shares the other's variance."""
    generator = np.random.default_rng(3)
    seen = np.tile(np.eye(3, dtype=np.bool_), 7)[:, :20] == kind
    target, reference = generator.uniform(0.1, 0.9, 20), generator.uniform(0.1, 0.9, (3, 20))
    assert lira(target, reference, seen) == pytest.approx(by_densities(target, reference, seen))


def test_many_models_have_a_variance_for_each_example() -> None:
    generator = np.random.default_rng(4)
    seen = np.arange(70)[:, None] % 2 == np.arange(20) % 2
    seen[:, 0], seen[:, 1] = np.arange(70) < 38, np.arange(70) < 39  # 32 without the first, 31 without the second
    assert (~seen).sum(axis=0)[:3].tolist() == [OWN_VARIANCE_FROM, OWN_VARIANCE_FROM - 1, 35]
    target, reference = generator.uniform(0.2, 0.8, 20), generator.uniform(0.1, 0.9, (70, 20))
    assert lira(target, reference, seen) == pytest.approx(by_densities(target, reference, seen))


def test_a_planted_population_is_found() -> None:
    """Examples differ so much that the loss alone finds little; against models that had them or not, LiRA does."""
    plan = population(seed=1, effect=2.0)
    assert plan.roc(lira(plan.target, plan.reference, plan.seen)).auc > 0.9
    assert 0.55 < plan.roc(loss_attack(-np.log(plan.target))).auc < 0.8
    offline = population(seed=2, effect=2.0, seen_share=0.0)
    assert offline.roc(lira(offline.target, offline.reference, offline.seen)).auc > 0.9


def test_noise_is_nothing() -> None:
    plan = population(seed=3, effect=0.0)
    for scores in (lira(plan.target, plan.reference, plan.seen), loss_attack(-np.log(plan.target))):
        low, high = plan.roc(scores).auc_interval
        assert low < 0.5 < high


def test_certainty_is_cut() -> None:
    assert logit(np.array([1.0, 0.5, 1e-30])) == pytest.approx([np.log(2.0**24 - 1), 0, np.log(1e-30)])
    ones = np.ones((3, 2))
    assert np.isfinite(lira(np.ones(2), ones, ones == 0)).all()  # models that agree to the last bit
    assert lira(np.array([1.0, 0.9]), ones, ones == 0)[1] < 0


def test_the_loss_attack_by_hand() -> None:
    assert loss_attack(np.array([0.5, 2.0], np.float32)).tolist() == [-0.5, -2.0]
    with pytest.raises(BadInput, match="losses: 1 of 2 values not finite, the first at 1"):
        loss_attack(np.array([0.0, np.nan]))


def test_bad_input() -> None:
    half = np.full((3, 2), 0.5)
    seen = np.zeros((3, 2), np.bool_)
    for target, reference, flags, message in (
        (np.array([0.5, 0.0]), half, seen, "target model: from 0.0 to 0.5; expected above 0 and up to 1"),
        (np.array([0.5, 1.5]), half, seen, "target model: from 0.5 to 1.5"),
        (np.full(3, 0.5), half, seen, "of 2 examples; expected 3"),
        (np.full(2, 0.5), half[0], seen, "expected 2 dimension"),
        (np.full(2, 0.5), half * np.nan, seen, "6 of 6 values not finite"),
        (np.full(2, 0.5), half, seen.astype(np.int64), "expected booleans"),
        (np.full(2, 0.5), half, seen[:2], "expected booleans of shape"),
        (np.full(2, 0.5), half, np.array([[False, True]] * 3), "example 1 was in the training of every"),
        (np.full(2, 0.5), half[:1], seen[:1], "no example has two reference models"),
    ):
        with pytest.raises(BadInput, match=message):
            lira(target, reference, flags)
