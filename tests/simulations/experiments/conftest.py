"""One lab for all experiments on the tiny model, so that each training runs once."""

import dataclasses
from collections.abc import Iterator

import pytest
from rich.console import Console

from simulations.configuration import PUBLISHED_TUNING, RunConfig
from simulations.lab import Lab
from simulations.progress import PhaseBars
from simulations.worker_pool import WorkerPool


@pytest.fixture(scope="session")
def tiny_lab(pool: WorkerPool, tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Four clients, with steps enough to learn something."""
    changes = {"clients": 4, "steps": 10, "localise": "coordinate+l1", "workers": 1}
    config = dataclasses.replace(tiny_config, **changes, **PUBLISHED_TUNING)
    with Lab(config, tmp_path_factory.mktemp("trainings"), PhaseBars(Console(quiet=True))) as lab:
        yield lab
