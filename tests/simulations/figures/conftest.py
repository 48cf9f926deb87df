"""One cache for all experiments on the tiny model, so that each training runs once."""

import dataclasses
from collections.abc import Iterator

import pytest

from fedsift.configuration.run_config import PUBLISHED_TUNING, RunConfig
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.training_cache import Session, TrainingCache


@pytest.fixture(scope="session")
def tiny_cache(
    session: Session, tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingCache]:
    """Four clients, with steps enough to learn something; scored on the rows tuned on, as the paper does."""
    changes = {"clients": 4, "steps": 10, "localise": "coordinate", "workers": 1, "test_share": 0}
    config = dataclasses.replace(tiny_config, **changes, **PUBLISHED_TUNING)
    with TrainingCache(config, tmp_path_factory.mktemp("trainings"), PhaseBars(), session) as cache:
        yield cache
