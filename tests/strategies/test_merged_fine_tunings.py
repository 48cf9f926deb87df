"""What the server of a merging method keeps, however many clients there are."""

import tracemalloc
from collections.abc import Iterator, Set

import numpy as np
import pytest

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.regression import Regression
from fedsift.protocol.compared_method import Trained
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.registry import COMPARED
from tests.strategies import made_up_clients
from tests.strategies.made_up_clients import MadeUpClients

LAYOUT = ParameterLayout(("weight", "bias"), ((199, 1000), (1000,)))
SIZE = LAYOUT.size
MERGES = sorted(name for name, method in COMPARED.items() if issubclass(method, MergedFineTunings))


class LongVectors(MadeUpClients):
    """Task vectors of a size that counts, each made when it is asked for; nobody makes masks."""

    def fine_tuned(self, ids: Set[str]) -> Iterator[tuple[str, Trained]]:
        for seed, client_id in enumerate(sorted(ids)):
            yield client_id, Trained(np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32), 1)

    def regressions(self, ids: Set[str]) -> Iterator[tuple[str, Regression]]:
        for client_id, trained in self.fine_tuned(ids):
            gram = np.random.default_rng(trained.steps).standard_normal(1000 * 1001 // 2).astype(np.float32)
            yield client_id, Regression(trained.task_vector, {"weight": gram}, trained.steps)

    def masks(self, *_: object) -> Iterator[tuple[str, list[np.ndarray]]]:
        return iter(())


def peak(name: str, clients: int) -> int:
    """Bytes at the most while so many join."""
    tracemalloc.start()
    method = COMPARED[name](LAYOUT)
    method.change(LongVectors(), {f"client {number}" for number in range(clients)}, set())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(method.members) == clients
    return most


@pytest.mark.parametrize("name", MERGES)
def test_memory_does_not_grow_with_the_clients(name: str) -> None:
    """Sixteen clients take what four take, to one task vector; a list of them would take 12 vectors more."""
    assert peak(name, 16) < peak(name, 4) + 4 * SIZE


def test_only_whom_a_removal_needs_trains_again() -> None:
    """Of four members: the leaver, where it can be subtracted; else the three others."""
    for name, trainings in (("ft-merge", 1), ("ties", 1), ("emr", 3)):
        method = COMPARED[name](made_up_clients.LAYOUT)
        assert method.change(MadeUpClients(), set("abcd"), set()).trainings == 0
        work = method.change(MadeUpClients(), {"e"}, {"a"})
        assert (work.trainings, work.steps) == (trainings, 10 * trainings)
        assert method.members == set("bcde")
