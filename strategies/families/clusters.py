"""Clusters of clients: random ones, and by k-means with equal sizes, the same for any order of the points."""

import numpy as np
from numpy.typing import NDArray

from fedsift.core.seeds import derive_seed, random_order

CLUSTERS = 5  # of the clustered methods; shards of SISA and APA
_MOST_ITERATIONS = 50


def random_cluster(client_id: str, clusters: int, purpose: str = "cluster") -> int:
    """A client's cluster, from its id alone, so that who else is a member moves nobody; sizes differ a little."""
    return derive_seed(0, purpose, client_id) % clusters


def balanced_clusters(points: NDArray[np.float64], number: int, seed: int) -> NDArray[np.int64]:
    """A cluster for each point: k-means, then the nearest pairs of point and centre first, until a cluster is full.

    So are the shards of APA made (arXiv 2404.10327, section 4.1).

    Args:
        points: shape (T, d), in an order that the caller fixes (clients by id).
        number: of clusters, S.
        seed: of the points that are centres at first.

    Returns:
        Numbers from 0 to S - 1, shape (T,); none of them stands for more than ceil(T / S) points.
    """
    centres = points[random_order(seed, len(points), 0)[:number]]
    nearest = np.full(len(points), -1)
    for _ in range(_MOST_ITERATIONS):
        distances = _distances(points, centres)
        before, nearest = nearest, distances.argmin(axis=1)
        if (nearest == before).all():
            break
        for each in set(nearest.tolist()):
            centres[each] = points[nearest == each].mean(axis=0)
    distances = _distances(points, centres)
    room = np.full(len(centres), -(-len(points) // len(centres)))
    clusters = np.full(len(points), -1)
    for pair in distances.argsort(axis=None, kind="stable"):
        point, centre = divmod(int(pair), len(centres))
        if clusters[point] < 0 and room[centre]:
            clusters[point] = centre
            room[centre] -= 1
    return clusters


def _distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared, shape (T, S)."""
    return np.stack([np.square(points - centre).sum(axis=1) for centre in centres], axis=1)
