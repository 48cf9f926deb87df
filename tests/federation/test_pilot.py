"""The pilot of an estimate times a step and leaves nothing behind."""

import dataclasses

from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import load_dataset
from fedsift.federation import loaded
from fedsift.federation.pilot import is_worth_it, step_seconds


def test_a_pilot_costs_a_hundredth_at_most(tiny_config: RunConfig) -> None:
    """Two steps of 200 a worker."""
    config = dataclasses.replace(tiny_config, steps=20)
    assert is_worth_it(config, clients=20, workers=2) and not is_worth_it(config, clients=19, workers=2)
    assert not is_worth_it(config, clients=0, workers=0)


def test_a_pilot_leaves_the_model_as_it_was(tiny_config: RunConfig) -> None:
    model, _ = loaded.model_and_task(tiny_config.model_settings)
    before = model.base_digest()
    assert step_seconds(tiny_config, load_dataset(tiny_config).client_ids[0]) > 0
    assert model.base_digest() == before and not model.task_vector().any()
