"""Balanced k-means."""

import numpy as np
from hypothesis import given, strategies as st

from fedsift.strategies.families.clusters import balanced_clusters


def test_a_full_cluster_gives_its_farthest_away() -> None:
    """K-means puts 0, .1, .2, .4 together, at .175; of three places none is left for .4."""
    points = np.array([[0.0], [0.1], [0.2], [0.4], [10.0], [10.1]])
    for seed in range(5):
        clusters = balanced_clusters(points, 2, seed).tolist()
        assert clusters in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_groups_of_equal_size_are_found() -> None:
    centres = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    noise = np.random.default_rng(1).normal(0, 0.1, (12, 2))
    clusters = balanced_clusters(np.repeat(centres, 4, axis=0) + noise, 3, seed=3)
    assert [len(set(clusters[start : start + 4].tolist())) for start in (0, 4, 8)] == [1, 1, 1]
    assert len(set(clusters.tolist())) == 3


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 2**32))
def test_no_cluster_is_larger_than_its_share(count: int, number: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 3, (count, 2)).astype(np.float64)  # with many ties
    clusters = balanced_clusters(points, min(number, count), seed)
    assert clusters.min() >= 0
    assert np.bincount(clusters).max() <= -(-count // min(number, count))
