"""How GPUs are shared; the machine that runs the tests need have none."""

import dataclasses

import pytest
import ray

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.runtime import cluster
from fedsift.runtime.gpu_share import workers_and_share


@pytest.mark.parametrize(
    ("options", "clients", "gpus", "expected"),
    [
        ({}, 500, 0, (3, 0.0)),  # a worker a CPU
        ({"workers": 2, "clients_per_gpu": 4}, 500, 0, (2, 0.0)),
        ({}, 500, 2, (2, 1.0)),  # a worker a GPU
        ({"clients_per_gpu": 4}, 500, 2, (8, 0.25)),
        ({"clients_per_gpu": 4}, 3, 2, (3, 0.5)),  # spread: no GPU is idle
        ({"clients_per_gpu": 4, "workers": 2}, 500, 2, (2, 1.0)),
        ({"clients_per_gpu": 3}, 500, 1, (3, 1 / 3)),
    ],
)
def test_workers_and_shares(options: dict[str, int], clients: int, gpus: int, expected: tuple[int, float]) -> None:
    config = dataclasses.replace(RunConfig(), **options)  # type: ignore[arg-type]
    assert workers_and_share(config, clients, gpus, cpus=3) == expected


def test_more_workers_than_the_gpus_take() -> None:
    with pytest.raises(BadInput, match="workers = 3: 1 GPUs take 2 at clients-per-gpu = 2"):
        workers_and_share(RunConfig(workers=3, clients_per_gpu=2), 500, 1, 8)


def test_a_cluster_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    with pytest.raises(BadInput, match="device = cuda: no node of the cluster has a GPU"):
        cluster.workers_on_cluster(RunConfig(device="cuda"), 9, 1)
    assert cluster.workers_on_cluster(RunConfig(device="auto", clients_per_gpu=2), 9, 1) == (3, 0.0)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 2.0})
    assert cluster.workers_on_cluster(RunConfig(device="auto"), 9, 1) == (2, 1.0)
    assert cluster.workers_on_cluster(RunConfig(), 9, 1) == (3, 0.0)
    with pytest.raises(BadInput, match="workers = 4: the cluster has 3 CPUs for them"):
        cluster.workers_on_cluster(RunConfig(device="cuda", clients_per_gpu=2), 9, 1)
