"""Merges of the cache's trainings against the federation, against hand-worked numbers, and against the formulas."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.task_vectors import Vector
from fedsift.runs.federate import federate
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.families.clusters import CLUSTERS, random_cluster
from fedsift.strategies.tall_masks import lambda_of_density, served, tall_mask
from fedsift.strategies.ties import Ties
from fedsift.studies.reproduction.merges import (
    SIFT_MASKED,
    SIFT_PUBLISHED,
    SiftMerge,
    compared_merge,
    groups,
    mean_of,
    numbers_merged,
    published,
    scores_of,
    sift_merge,
    sift_merges,
    ties_of,
)
from fedsift.studies.training_cache import TrainingCache


@pytest.mark.parametrize("as_published", [False, True])
def test_what_sift_masks_serves_is_what_the_federation_serves(
    tiny_cache: TrainingCache, pool: WorkerPool, tmp_path: Path, as_published: bool
) -> None:
    config = published(tiny_cache.config) if as_published else tiny_cache.config
    masks = tmp_path / "masks"
    masks.mkdir()
    outcome = federate(pool, config, {each: place for place, each in enumerate(tiny_cache.clients)}, masks=masks)
    expected: Mapping[str, Mapping[str, float]] = outcome.rounds[0].scores

    magnitudes = tiny_cache.sign_fixed(tiny_cache.clients)
    merge = sift_merge(tiny_cache, config, tiny_cache.clients, magnitudes)
    shared = {"merged": merge.merged(), "zero_shot": None}

    def models(client_id: str) -> dict[str, Vector | None]:
        own = magnitudes(client_id)
        return {config.localise: merge.served(own), "local": own * tiny_cache.signs, **shared}

    scores = tiny_cache.scores(((each, models(each)) for each in tiny_cache.clients), len(tiny_cache.clients))
    for client_id in tiny_cache.clients:
        for name, score in scores[client_id].items():
            assert score == pytest.approx(expected[client_id][name], abs=1e-6), (client_id, name)
        assert scores[client_id][config.localise] != scores[client_id]["merged"]


def test_sums_and_serving_by_hand(tiny_cache: TrainingCache) -> None:
    # A level is worth 0.01, so `one` has levels 3, 1 and 0, `other` has 1.
    config = dataclasses.replace(tiny_cache.config, levels=3, max_magnitude=0.03, localise="coordinate")
    one, other = (np.zeros(tiny_cache.size, np.float32) for _ in range(2))
    one[:3], other[:3] = (0.03, 0.011, 0.004), (0.01, 0.0, 0.0)
    merge = SiftMerge(tiny_cache, config, 2)
    merge.add(one)
    merge.add(other)
    signs = tiny_cache.signs[:3]
    np.testing.assert_allclose(merge.served(one)[:3], signs * np.array([0.02, 0.01, 0]), rtol=1e-6)
    np.testing.assert_allclose(merge.served(other)[:3], signs * np.array([0.02, 0, 0]), rtol=1e-6)
    np.testing.assert_allclose(merge.merged()[:3], signs * np.array([0.02, 0.005, 0]), rtol=1e-6)
    assert not merge.merged()[3:].any()
    merge.subtract(other)
    assert merge.sums.members == 1
    np.testing.assert_allclose(merge.served(one)[:3], signs * np.array([0.03, 0.01, 0]), rtol=1e-6)
    merge.subtract(one)
    assert not merge.merged().any()


def test_sift_masks_come_as_configured_and_as_published(tiny_cache: TrainingCache) -> None:
    magnitudes = tiny_cache.sign_fixed(tiny_cache.clients)
    merges = sift_merges(tiny_cache, tiny_cache.clients, magnitudes)
    assert list(merges) == [SIFT_MASKED, SIFT_PUBLISHED]
    same = published(tiny_cache.config)
    assert list(sift_merges(tiny_cache, tiny_cache.clients, magnitudes, same)) == [SIFT_MASKED]
    # With 16 bits and one member, hardly anything is rounded away; what lies above the highest level is cut.
    (alone,) = sift_merges(tiny_cache, tiny_cache.clients[:1], magnitudes, same).values()
    own = magnitudes(tiny_cache.clients[0])
    cut = np.minimum(own, same.grid.max_magnitude)
    np.testing.assert_allclose(alone.served(own), cut * tiny_cache.signs, atol=same.grid.step)


def test_one_task_vector_is_its_own_mean(tiny_cache: TrainingCache) -> None:
    task_vectors = tiny_cache.fine_tuned(tiny_cache.clients)
    one, other = tiny_cache.clients[:2]
    np.testing.assert_allclose(mean_of(tiny_cache, [one], task_vectors), task_vectors(one), atol=1e-9)
    np.testing.assert_allclose(ties_of(tiny_cache, [one], task_vectors, 1.0), task_vectors(one), atol=1e-9)
    halves = (task_vectors(one).astype(np.float64) + task_vectors(other)) / 2
    np.testing.assert_allclose(mean_of(tiny_cache, [one, other], task_vectors), halves, atol=1e-9)


def test_compared_methods_are_served_by_their_formulas(tiny_cache: TrainingCache) -> None:
    task_vectors, clients = tiny_cache.fine_tuned(tiny_cache.clients), tiny_cache.clients
    own = task_vectors(clients[0])
    mean = mean_of(tiny_cache, clients, task_vectors)

    plain = compared_merge("ft-merge", tiny_cache, clients)
    assert plain.chosen == {}
    np.testing.assert_array_equal(plain.served(clients[0]), mean)

    tall = compared_merge("tall-masks", tiny_cache, clients)
    total = sum(task_vectors(each).astype(np.float64) for each in clients).astype(np.float32)  # type: ignore[union-attr]
    mask = tall_mask(own, total, lambda_of_density(own, total, tall.chosen["density"]))
    np.testing.assert_allclose(tall.served(clients[0]), served(mean, mask, tall.chosen["alpha"]), atol=1e-8)

    ties = compared_merge("ties", tiny_cache, clients)
    merge = Ties(tiny_cache.size, density=ties.chosen["density"])
    for each in clients:
        merge.add(task_vectors(each))
    expected = merge.merged() * np.float32(ties.chosen["scale"])
    np.testing.assert_array_equal(ties.served(clients[0]), expected)
    # No scale does better with the density chosen: all four clients are validation clients.
    scaled = {str(step / 10): merge.merged() * np.float32(step / 10) for step in range(8, 26)}
    scores = scores_of(tiny_cache, ((each, scaled) for each in clients), len(clients))
    sums = {scale: sum(of_clients) for scale, of_clients in scores.items()}
    assert sums[str(ties.chosen["scale"])] == pytest.approx(max(sums.values()))

    clustered = compared_merge("clustered-ft-merge", tiny_cache, clients)
    cluster = random_cluster(clients[0], CLUSTERS)
    others = [each for each in clients if random_cluster(each, CLUSTERS) == cluster]
    np.testing.assert_array_equal(clustered.served(clients[0]), mean_of(tiny_cache, others, task_vectors))


def test_a_pool_of_one_client_is_its_fine_tuning(tiny_cache: TrainingCache) -> None:
    task_vectors, (one, other) = tiny_cache.fine_tuned(tiny_cache.clients), tiny_cache.clients[:2]
    # All rows are in each step, so their order is no matter but for rounding.
    pools = tiny_cache.pools([([one], 10), ([other], 10), ([one, other], 10)])
    for client_id, pool in zip((one, other), pools[:2], strict=True):
        np.testing.assert_allclose(pool, task_vectors(client_id), atol=1e-4)
    assert not np.allclose(pools[2], pools[0], atol=1e-2)


def test_groups(tiny_cache: TrainingCache) -> None:
    assert [len(group) for group in groups(tiny_cache, 3)] == [3]
    for number in (1, 2, 4):
        dealt = groups(tiny_cache, number)
        assert [len(group) for group in dealt] == [number] * (4 // number)
        assert sorted(each for group in dealt for each in group) == sorted(tiny_cache.clients)
    assert groups(tiny_cache, 2) == groups(tiny_cache, 2)


@pytest.mark.parametrize(
    ("clients", "numbers"),
    [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (100, [1, 2, 5, 10, 20, 50, 100]), (120, [1, 2, 5, 10, 20, 50, 100, 120])],
)
def test_numbers_merged(clients: int, numbers: list[int]) -> None:
    assert numbers_merged(clients) == numbers


def test_published_is_the_preset() -> None:
    assert (published(RunConfig()).levels, published(RunConfig()).localise) == (65535, "paper")
