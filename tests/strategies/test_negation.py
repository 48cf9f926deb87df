import numpy as np
from hypothesis import given, strategies as st

from fedsift.strategies.families.negated_central_ft import SCALES, best_candidate, negated
from fedsift.strategies.msa import ALPHAS, BETAS, msa
from fedsift.strategies.negmerge import SignConsensus
from tests.stacks import SIXTEENTHS, Stack, long_stack, stacks

# signs     +++  ---  ++-  +0+  000  ---
# sums       6    -3         (kept only where all agree)  -1.5
THREE = np.array([[1, -1, 1, 2, 0, -0.5], [2, -1, 1, 0, 0, -0.5], [3, -1, -1, 2, 0, -0.5]], np.float32)


def merge(stack: Stack) -> SignConsensus:
    consensus = SignConsensus(stack.shape[1])
    for row in stack:
        consensus.add(row)
    return consensus


def oracle(stack: Stack) -> np.ndarray:
    stack = stack.astype(np.float64)
    agree = (stack > 0).all(0) | (stack < 0).all(0)
    return np.where(agree, stack.mean(0), 0)


def test_negmerge_by_hand() -> None:
    consensus = merge(THREE)
    assert consensus.merged().tolist() == [2, -1, 0, 0, 0, -0.5]
    trained = np.array([1, 1, 1, 1, 1, 1], np.float32)
    assert negated(trained, consensus.merged(), 0.5).tolist() == [0, 1.5, 1, 1, 1, 1.25]


def test_negation_by_hand() -> None:
    trained, forget = np.array([1, -2, 0, 4], np.float32), np.array([2, -2, 4, 0], np.float32)
    assert negated(trained, forget, 0.0).tolist() == [1, -2, 0, 4]
    assert negated(trained, forget, 0.25).tolist() == [0.5, -1.5, -1, 4]
    assert negated(trained, forget, 1.0).tolist() == [-1, 0, -4, 4]


def test_msa_by_hand() -> None:
    """theta_D - alpha (theta_f - theta_0) + beta (theta_r - theta_0), entry 0: 1 - 1.5 * 2 + 1 * 3."""
    trained, forget, retain = (np.array(row, np.float32) for row in ([1, -2, 0], [2, -2, 4], [3, 0, -1]))
    assert msa(trained, forget, retain, alpha=1.5, beta=1.0).tolist() == [1, 1, -7]
    assert msa(trained, forget, retain, alpha=2.0, beta=0.0).tolist() == [-3, 2, -8]
    assert trained.tolist() == [1, -2, 0]


@given(stack=stacks(SIXTEENTHS), scale=st.sampled_from(SCALES))
def test_negmerge_as_written(stack: Stack, scale: float) -> None:
    merged = merge(stack).merged()
    np.testing.assert_allclose(merged, oracle(stack), rtol=1e-6)
    expected = stack[0] - scale * oracle(stack)
    np.testing.assert_allclose(negated(stack[0], merged, scale), expected, rtol=1e-6, atol=1e-6)


@given(stack=stacks(SIXTEENTHS, min_members=3), alpha=st.sampled_from(ALPHAS), beta=st.sampled_from(BETAS))
def test_msa_as_written(stack: Stack, alpha: float, beta: float) -> None:
    trained, forget, retain = stack[:3]
    expected = stack[:3].astype(np.float64).T @ [1, -alpha, beta]
    np.testing.assert_allclose(msa(trained, forget, retain, alpha, beta), expected, rtol=1e-6)


def test_several_slices() -> None:
    stack = long_stack()
    np.testing.assert_allclose(merge(stack).merged(), oracle(stack), rtol=1e-6)


def test_the_grid_of_lambda() -> None:
    assert (SCALES[0], SCALES[1], SCALES[-1], len(SCALES)) == (0.0, 0.05, 1.0, 21)


def test_the_candidate_that_forgets_most_among_those_that_keep_enough() -> None:
    """Of .8, .95 of it is .76: the last forgets most but keeps .70 only; the second and the third forget alike."""
    assert best_candidate([0.9, 0.4, 0.4, 0.1], [0.8, 0.77, 0.79, 0.70]) == 1
    assert best_candidate([0.1, 0.2], [0.8, 0.8]) == 0
