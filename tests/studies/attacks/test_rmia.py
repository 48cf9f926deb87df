from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.studies.attacks.membership.rmia import rmia
from fedsift.studies.attacks.roc import roc
from tests.studies.attacks.populations import population

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def by_matrix(
    target: Floats, reference: Floats, seen: Flags, z_target: Floats, z_reference: Floats, gamma: Fraction, a: Fraction
) -> list[float]:
    """Every ratio of x to z, in fractions."""

    def ratio(confidence: float, others: list[float]) -> Fraction:
        without = sum(map(Fraction, others), Fraction()) / len(others)
        return Fraction(confidence) / (((1 + a) * without + 1 - a) / 2)

    rows = range(len(reference))
    x = [ratio(p, [reference[r, e] for r in rows if not seen[r, e]]) for e, p in enumerate(target)]
    z = [ratio(p, [z_reference[r, e] for r in rows]) for e, p in enumerate(z_target)]
    return [sum(of_x / of_z >= gamma for of_z in z) / len(z) for of_x in x]


def test_by_hand() -> None:
    target, reference = np.array([0.5, 0.25]), np.array([[0.5, 1.0], [0.25, 0.25]])
    seen = np.array([[True, True], [False, False]])  # p_out is 0.25 and 0.25
    z_target, z_reference = np.array([0.5, 0.5, 0.5, 1.0]), np.array([[0.25, 0.5, 1.0, 0.5], [0.75, 0.5, 1.0, 0.5]])
    # With a = 1 the ratios are 2 and 1 for x; for z they are 1, 1, 0.5 and 2.
    assert rmia(target, reference, seen, z_target, z_reference).tolist() == [0.75, 0.25]
    assert rmia(target, reference, seen, z_target, z_reference, gamma=1).tolist() == [1.0, 0.75]
    # With a = 0, p(x) = (p_out + 1) / 2: the ratios are 0.8 and 0.4; 2/3, 2/3, 0.5 and 4/3.
    assert rmia(target, reference, seen, z_target, z_reference, gamma=1, a=0).tolist() == [0.75, 0.0]


@given(st.data())
def test_it_is_the_matrix_form(data: st.DataObject) -> None:
    """In sixteenths, so that many ratios are exactly gamma."""
    examples, strangers, models = (data.draw(st.integers(1, most)) for most in (8, 8, 4))
    gamma, a = data.draw(st.sampled_from([0.5, 1.0, 2.0])), data.draw(st.sampled_from([0.0, 0.25, 1.0]))

    def draw(rows: int, columns: int) -> Floats:
        sixteenths = st.lists(st.integers(1, 16), min_size=rows * columns, max_size=rows * columns)
        return np.array(data.draw(sixteenths)).reshape(rows, columns) / 16

    target, z_target = draw(1, examples)[0], draw(1, strangers)[0]
    reference, z_reference = draw(models, examples), draw(models, strangers)
    seen = draw(models, examples) > 0.5
    seen[0] = False
    # A mean over three models is rounded, where equal ratios may come out different.
    seen[1:3] |= (~seen).sum(axis=0) == 3
    if models == 3:
        z_reference[2] = z_reference[1] = z_reference[0]
    scores = rmia(target, reference, seen, z_target, z_reference, gamma=gamma, a=a)
    expected = by_matrix(target, reference, seen, z_target, z_reference, Fraction(gamma), Fraction(a))
    assert scores.tolist() == expected


def test_twenty_examples_by_the_matrix() -> None:
    generator = np.random.default_rng(5)
    target, z_target = generator.uniform(0.01, 1, 20), generator.uniform(0.01, 1, 15)
    reference, z_reference = generator.uniform(0.01, 1, (3, 20)), generator.uniform(0.01, 1, (3, 15))
    seen = generator.random((3, 20)) < 0.5
    seen[1] = False
    scores = rmia(target, reference, seen, z_target, z_reference, gamma=1.5, a=0.3)
    p_out = np.array([reference[~seen[:, e], e].mean() for e in range(20)])
    x = target / ((1.3 * p_out + 0.7) / 2)
    z = z_target / ((1.3 * z_reference.mean(0) + 0.7) / 2)
    assert scores == pytest.approx((x[:, None] / z[None, :] >= 1.5).mean(axis=1))


@pytest.mark.parametrize("models", [1, 16])
def test_a_planted_population_is_found(models: int) -> None:
    """Even with one reference model that had none of it. Population: the non-members of even number."""
    plan = population(seed=6, effect=4.0, models=models, examples=800, seen_share=0.0)
    strangers = ~plan.is_member & (np.arange(800) % 4 == 1)
    tested = ~strangers
    of_strangers = plan.target[strangers], plan.reference[:, strangers]
    scores = rmia(plan.target[tested], plan.reference[:, tested], plan.seen[:, tested], *of_strangers, a=0.3)
    members = plan.is_member[tested]
    assert roc(scores[members], scores[~members]).auc > (0.9 if models == 16 else 0.8)


def test_noise_is_nothing() -> None:
    plan = population(seed=7, effect=0.0)
    scores = rmia(plan.target, plan.reference, plan.seen, plan.target, plan.reference)
    low, high = plan.roc(scores).auc_interval
    assert low < 0.5 < high


def test_bad_input() -> None:
    half, seen = np.full((2, 3), 0.5), np.zeros((2, 3), np.bool_)
    for flags, z_target, z_reference, options, message in (
        (seen, half[0], half, {"gamma": 0}, "gamma = 0"),
        (seen, half[0], half, {"a": 1.5}, r"a = 1\.5"),
        (seen, half[0], half[:1], {}, "1 reference models in the population, 2 of the examples"),
        (seen, half[0][:0], half, {}, "in the population: shape"),
        (~seen, half[0], half, {}, "in the training of every reference model"),
    ):
        with pytest.raises(BadInput, match=message):
            rmia(half[0], half, flags, z_target, z_reference, **options)
