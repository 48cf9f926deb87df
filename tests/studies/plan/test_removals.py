"""Removals by method: by hand, and as `fedsift compare` counts them on real workers."""

import pytest

from fedsift.strategies.registry import METHODS
from fedsift.studies.plan.footprint import Footprint
from fedsift.studies.plan.removals import Removals, removals
from tests.studies.plan.assumed import assumed


def rows(**changed: float) -> dict[str, Removals]:
    return {row.method.name: row for row in removals(Footprint(assumed(**changed)))}


def test_the_worked_example() -> None:
    """500 clients, five of whom leave; a training takes 9.216 s."""
    found = rows()
    assert list(found) == list(METHODS)
    assert found["sift-masks"].trainings == (1, 5, 499)
    assert found["central-ft"].trainings == (499, 499 + 498 + 497 + 496 + 495, 124_750)
    assert found["sisa"].trainings[:2] == (100, 100 + 100 + 100 + 100 + 99)  # (T - 1) / 5, rounded up
    assert found["sift-masks"].hours == pytest.approx((0.00256, 0.0128, 1.27744))
    assert found["central-ft"].hours == pytest.approx((1.27744, 6.3616, 319.36))
    assert found["sift-masks"].storage_bytes == 4_800_000_000 + 500 * 150_000_000
    assert found["sisa"].storage_bytes == 20 * 4_800_000_000  # 5 shards, 4 checkpoints each


def test_as_a_comparison_counts_them() -> None:
    """Five members, two of whom leave: what `tests/studies/comparison` counts for the same federation."""
    found = rows(clients=5, removals=2)
    for method in METHODS.values():
        counted = {"1": 1 + 1, "T": 4 + 3, "5": 5 + 5, "T/S": 1 + 1}.get(method.cost.formula)
        if counted is not None:
            assert found[method.name].trainings[1] == counted, method.name
    assert (found["sift-masks"].trainings[2], found["central-ft"].trainings[2]) == (4, 4 + 3 + 2 + 1)


def test_all_that_are_asked_for_are_all_and_the_last_leaves_nothing_to_train() -> None:
    assert all(row.trainings == (0, 0, 0) for row in rows(clients=1, removals=1).values())
    for row in rows(clients=7, removals=7).values():
        assert row.trainings[1] == row.trainings[2] == row.method.cost.of_all(7)
