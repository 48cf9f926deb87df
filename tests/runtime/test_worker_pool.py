"""Functions called in the workers, beside the messages of a grid."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsift.core.errors import BadInput
from fedsift.runtime.in_flight import WorkerDied
from fedsift.runtime.worker_pool import WorkerPool
from tests.runtime import calls


def test_results_come_with_their_names_and_from_the_workers(pool: WorkerPool) -> None:
    made: list[int] = []

    def asked() -> Iterator[tuple[str, tuple[int]]]:
        for number in range(12):
            made.append(number)
            yield f"call {number}", (number,)

    results = pool.map(calls.squared, asked())
    first = next(results)
    assert len(made) <= 4  # two a worker: arguments are made only as workers get free
    found = dict([first, *results])
    assert {name: square for name, (square, _) in found.items()} == {f"call {each}": each**2 for each in range(12)}
    processes = {process for _, process in found.values()}
    assert len(processes) <= 2
    assert os.getpid() not in processes


def test_a_call_of_a_dead_worker_runs_again(pool: WorkerPool, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("x\n", encoding="utf-8")
    arguments = ((f"{number}", (number, deaths)) for number in range(5))
    assert dict(pool.map(calls.squared_at_last, arguments)) == {f"{number}": number**2 for number in range(5)}
    deaths.write_text("x\n" * 50, encoding="utf-8")
    with pytest.raises(WorkerDied, match="the deadly one: its worker died 3 times"):
        list(pool.map(calls.squared_at_last, [("the deadly one", (1, deaths))]))


def test_a_mistake_of_the_users_has_no_traceback_of_the_workers(pool: WorkerPool) -> None:
    with pytest.raises(BadInput) as told:
        list(pool.map(calls.refused, [("only", (7,))]))
    assert str(told.value) == "7 is no row"
    assert told.value.__suppress_context__
