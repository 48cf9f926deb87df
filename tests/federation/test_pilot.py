"""The pilot of an estimate times a step and leaves nothing behind."""

import dataclasses

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import load_dataset
from fedsift.federation import loaded
from fedsift.federation.pilot import Work, training_seconds, work_of


def test_a_pilot_costs_a_hundredth_at_most() -> None:
    """Two steps of 200."""
    assert Work(20, 0).is_worth_it(10) and not Work(20, 0).is_worth_it(9.5)
    assert Work(5, 195).is_worth_it(1) and not Work(5, 194).is_worth_it(1)


def test_a_pass_over_all_rows_is_a_third_of_as_many_steps(tiny_config: RunConfig) -> None:
    config = dataclasses.replace(tiny_config, steps=5, batch_size=8)
    assert work_of(config, 240, labels=4) == (5, pytest.approx(10))
    assert work_of(config, 3, labels=4) == (5, pytest.approx(1 / 3))
    assert work_of(config, 240, labels=0).head == 0
    assert work_of(dataclasses.replace(config, shared_head=False), 240, labels=4).head == 0


def test_a_pilot_leaves_the_model_as_it_was(tiny_config: RunConfig) -> None:
    model, _ = loaded.model_and_task(tiny_config.model_settings)
    before = model.base_digest()
    client_id = load_dataset(tiny_config).client_ids[0]
    assert training_seconds(tiny_config, client_id, clients=0) is None
    seconds = training_seconds(tiny_config, client_id, clients=1e6)
    assert seconds is not None and min(seconds) > 0
    assert model.base_digest() == before and not model.task_vector().any()
