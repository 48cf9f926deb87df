import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fedsift.core.shared_head import (
    SCALE,
    HeadSums,
    balance,
    choose_ridge,
    label_centre,
    own_head,
    own_part,
    scores,
    solve,
)

LABELS = 3


def decisions(seed: int, count: int, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of unit features that lean towards their label, and the labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, LABELS, count)
    points = random.normal(size=(count, features)) + 2 * np.eye(features)[labels]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return np.rint(SCALE * np.hstack([points, np.full((count, 1), 0.5)])).astype(np.int8), labels


def fitted(inputs: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """Ridge regression by least squares on rows: the penalty is k more rows, of sqrt(ridge)."""
    width = inputs.shape[1]
    rows = np.vstack([inputs / SCALE, np.sqrt(ridge) * np.eye(width)])
    return np.linalg.lstsq(rows, np.vstack([np.eye(LABELS)[labels], np.zeros((width, LABELS))]))[0]


def with_own(
    others: tuple[np.ndarray, np.ndarray], own: tuple[np.ndarray, np.ndarray], ridge: float, rho: float
) -> np.ndarray:
    """A client's head by least squares: its error on its own rows, beside how far it departs from the others' head."""
    shared = fitted(*others, ridge)
    inputs, labels = own
    width = inputs.shape[1]
    rows = np.vstack([inputs / SCALE, np.sqrt(rho) * others[0] / SCALE, np.sqrt(ridge) * np.eye(width)])
    error = np.eye(LABELS)[labels] - inputs / SCALE @ shared
    return shared + np.linalg.lstsq(rows, np.vstack([error, np.zeros((len(rows) - len(error), LABELS))]))[0]


def test_by_hand() -> None:
    """Inputs [1, 1/2] of label 0, twice: G = [[2, 1], [1, 1/2]], B = [2, 1]; with ridge 1/2, W = [2, 1] / 3."""
    sums = HeadSums.of(np.array([[64, 32], [64, 32]], np.int8), np.array([0, 0]), 2)
    assert sums.gram.tolist() == [[8192, 4096], [4096, 2048]]
    assert sums.targets.tolist() == [[128, 0], [64, 0]]
    assert sums.rows == 2
    assert solve(sums, 0.5) == pytest.approx(np.array([[2 / 3, 0], [1 / 3, 0]]))
    assert scores(solve(sums, 0.5), np.array([[64, 32]], np.int8)) == pytest.approx(np.array([[5 / 6, 0]]))


@given(st.integers(0, 2**16), st.integers(1, 30), st.integers(1, 29))
@settings(max_examples=30, deadline=None)
def test_sums_are_those_of_the_rows_in_any_grouping(seed: int, count: int, cut: int) -> None:
    inputs, labels = decisions(seed, count)
    whole = HeadSums.of(inputs, labels, LABELS)
    rest = whole - HeadSums.of(inputs[:cut], labels[:cut], LABELS)
    there = HeadSums.of(inputs[cut:][::-1], labels[cut:][::-1], LABELS)
    assert (rest.gram == there.gram).all() and (rest.targets == there.targets).all() and rest.rows == there.rows
    wide = inputs.astype(int)
    assert (whole.gram == wide.T @ wide).all() and (whole.targets == wide.T @ np.eye(LABELS, dtype=int)[labels]).all()


@pytest.mark.parametrize("count", [1, 4, 40])
def test_the_shared_head_is_ridge_regression(count: int) -> None:
    inputs, labels = decisions(0, count)
    head = solve(HeadSums.of(inputs, labels, LABELS), 0.3)
    assert head == pytest.approx(fitted(inputs, labels, 0.3), abs=1e-10)


@pytest.mark.parametrize("count", [12, 60])
def test_the_ridge_is_that_of_the_least_error_on_rows(count: int) -> None:
    inputs, labels = decisions(1, count)
    sums = HeadSums.of(inputs, labels, LABELS)
    features, truth = inputs / SCALE, np.eye(LABELS)[labels]
    gram = features.T @ features

    def error(ridge: float) -> float:
        hat = features @ np.linalg.solve(gram + ridge * np.eye(len(gram)), features.T)
        freedom = np.trace(hat) / count
        return float(np.square(truth - hat @ truth).sum() / (1 - freedom) ** 2) if freedom <= 0.7 else np.inf

    candidates = np.geomspace(1e-3, 1e3, 25) * np.trace(gram) / len(gram)
    assert choose_ridge(sums) == pytest.approx(min(candidates, key=error))


def test_no_ridge_makes_a_head_of_as_many_freedoms_as_rows() -> None:
    for count in (1, 2, 5):
        inputs, labels = decisions(2, count, features=20)
        ridge = choose_ridge(HeadSums.of(inputs, labels, LABELS))
        values = np.linalg.eigvalsh((inputs / SCALE).T @ (inputs / SCALE))
        assert (values / (values + ridge)).sum() / count <= 0.7 + 1e-9


@pytest.mark.parametrize("rho", [1.0, 0.3, 0.03, 0.0])
@pytest.mark.parametrize("count", [1, 5, 20])
def test_an_own_part_is_least_squares_on_both(rho: float, count: int) -> None:
    others, own = decisions(3, 25), decisions(4, count)
    sums = HeadSums.of(*others, LABELS)
    part = own_part(sums, 0.4, *own, np.arange(count), rho=rho)
    assert part.weights == pytest.approx(with_own(others, own, 0.4, rho), abs=1e-9)
    if rho == 1:  # own rows count like the others'
        together = [np.concatenate(each) for each in zip(others, own, strict=True)]
        assert part.weights == pytest.approx(solve(HeadSums.of(*together, LABELS), 0.4), abs=1e-9)


@pytest.mark.parametrize("rho", [1.0, 0.3, 0.03, 0.0])
def test_held_out_scores_are_those_of_refitting_without_the_row(rho: float) -> None:
    """Rows of one to three decisions, not side by side."""
    others, (inputs, labels) = decisions(5, 25), decisions(6, 9)
    row_of = np.array([7, 2, 7, 4, 2, 7, 9, 0, 0])
    part = own_part(HeadSums.of(*others, LABELS), 0.4, inputs, labels, row_of, rho=rho)
    for row in set(row_of.tolist()):
        rest = row_of != row
        head = with_own(others, (inputs[rest], labels[rest]), 0.4, rho)
        assert part.held_out[~rest] == pytest.approx(inputs[~rest] / SCALE @ head, abs=1e-9)


def test_an_own_head_knows_own_rows_alone() -> None:
    inputs, labels = decisions(9, 12)
    head = own_head(inputs, labels, np.arange(12), LABELS)
    assert any(head == pytest.approx(fitted(inputs, labels, ridge)) for ridge in (0.03, 0.1, 0.3, 1.0, 3.0))


@pytest.mark.parametrize("count", [4, 40])
def test_the_ridge_of_an_own_head_is_that_of_the_least_error_on_rows_left_out(count: int) -> None:
    """Fewer decisions than features, and more; every third row has two decisions, which are left out together."""
    inputs, labels = decisions(11, count)
    row_of = np.arange(count) - (np.arange(count) % 3 == 1)
    errors = {}
    for ridge in (0.03, 0.1, 0.3, 1.0, 3.0):
        without = [fitted(inputs[row_of != row], labels[row_of != row], ridge) for row in row_of]
        said = np.array([each / SCALE @ head for each, head in zip(inputs, without, strict=True)])
        errors[ridge] = np.square(np.eye(LABELS)[labels] - said).sum()
    best = min(errors, key=lambda ridge: errors[ridge])
    assert own_head(inputs, labels, row_of, LABELS) == pytest.approx(fitted(inputs, labels, best))


def test_nothing() -> None:
    sums = HeadSums.empty(7, LABELS)
    assert choose_ridge(sums) == 1
    assert not solve(sums, 1.0).any()
    assert balance(sums) == pytest.approx(np.full(LABELS, (1 / LABELS) ** 0.25))
    inputs, labels = decisions(10, 4)
    others = HeadSums.of(inputs, labels, LABELS)
    none = own_part(others, 0.4, inputs[:0], labels[:0], labels[:0])
    assert none.weights == pytest.approx(solve(others, 0.4))
    assert none.held_out.shape == (0, LABELS)


def test_a_rare_label_is_raised() -> None:
    """Of 16 decisions 15 are label 0, 1 label 1 and none label 2: 16 / 3 / (16, 2, 1), to the 1/4."""
    inputs = np.full((16, 2), SCALE // 2, np.int8)
    sums = HeadSums.of(inputs, np.array([0] * 15 + [1]), LABELS)
    assert balance(sums) == pytest.approx((16 / 3 / np.array([16, 2, 1])) ** 0.25)


def test_a_centre_is_what_the_head_is_without_rows() -> None:
    directions = np.eye(LABELS, 6)
    nothing = HeadSums.empty(7, LABELS)
    centre = label_centre(nothing, directions)
    assert centre == pytest.approx(np.eye(7, LABELS))
    assert solve(nothing, 1.0, centre) == pytest.approx(centre)
    inputs, labels = decisions(11, 30)
    sums = HeadSums.of(inputs, labels, LABELS)
    centre = label_centre(sums, directions)
    said, truth = scores(np.eye(7, LABELS), inputs), np.eye(LABELS)[labels]
    assert centre[0, 0] == pytest.approx((said * truth).sum() / np.square(said).sum())  # the best multiple
    assert solve(sums, 1e9, centre) == pytest.approx(centre, abs=1e-6)
    assert solve(sums, 1e-9, centre) == pytest.approx(solve(sums, 1e-9), abs=1e-6)


def test_labels_that_do_not_occur_have_no_part_in_an_own_head() -> None:
    inputs, labels = decisions(4, 12)
    few, many = own_head(inputs, labels, np.arange(12), LABELS), own_head(inputs, 2 * labels + 1, np.arange(12), 9)
    assert many[:, [1, 3, 5]] == pytest.approx(few)
    assert not many[:, [0, 2, 4, 6, 7, 8]].any()
