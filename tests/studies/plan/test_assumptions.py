"""Ranges of the options, and what follows from them."""

from typing import Any

import pytest

from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import DTYPES
from fedsift.studies.plan.assumptions import PRECISIONS
from tests.studies.plan.assumed import assumed


@pytest.mark.parametrize(("tuned", "number"), [(1, 1000), (0.5, 500), (0.0014, 1), (2, 2), (1000, 1000)])
def test_tuned_is_a_share_up_to_one_and_a_number_above(tuned: float, number: int) -> None:
    assert assumed(model_parameters=1e3, tuned=tuned).tuned_parameters == number


@pytest.mark.parametrize(("clients", "leavers"), [(1, 1), (199, 1), (500, 5)])
def test_by_default_one_in_a_hundred_leaves(clients: int, leavers: int) -> None:
    assert assumed(clients=clients, removals=0).leavers == leavers


def test_by_default_a_device_is_half_an_h200() -> None:
    assert assumed(flops=0).device_flops == 494.75e12
    assert assumed(flops=0, dtype="float32").device_flops == 33.5e12
    assert assumed(flops=1e12).device_flops == 1e12


def test_every_type_of_weights_is_known() -> None:
    assert tuple(PRECISIONS) == DTYPES


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_parameters": 0}, "model-parameters = 0.0: give a number from 1 to 1,000,000,000,000,000"),
        ({"model_parameters": 1.5}, "model-parameters = 1.5: give a whole number"),
        ({"model_parameters": float("nan")}, "model-parameters = nan: give a number from 1 to"),
        ({"model_parameters": float("inf")}, "model-parameters = inf: give a number from 1 to"),
        ({"tuned": 0}, "tuned = 0.0: give a finite number above 0 (How many of them are tuned, or up to 1 which share"),
        ({"tuned": 1e-12}, "tuned = 1e-12: not one parameter"),
        ({"tuned": float("nan")}, "tuned = nan: give a finite number"),
        ({"tuned": 2.5}, "tuned = 2.5: give a whole number from 1 to 1,200,000,000"),
        ({"tuned": 1.3e9}, "tuned = 1300000000: give a whole number from 1 to 1,200,000,000"),
        ({"clients": 0}, "clients = 0: give a whole number from 1 to 1,000,000"),
        ({"clients": 1_000_001}, "clients: far too large a number; give at most 1,000,000"),
        ({"removals": 501}, "removals = 501: give a whole number from 1 to 500"),
        ({"removals": -1}, "removals = -1: give"),
        ({"steps": 0}, "steps = 0: give"),
        ({"batch_size": 0}, "batch-size = 0: give"),
        ({"tokens": 0}, "tokens = 0: give"),
        ({"levels": -1}, "levels = -1: give a whole number from 0 to 4,294,967,295"),
        ({"density": 1.1}, "density = 1.1: give a number from 0 to 1"),
        ({"dtype": "float16"}, "unknown dtype 'float16'; did you mean 'bfloat16'"),
        ({"flops": -1}, "flops = -1.0: give a number from 0 to"),
        ({"devices": 0}, "devices = 0: give"),
        ({"codec_rate": 0}, "codec-rate = 0.0: give"),
        ({"removals": 10**5000}, "removals: far too large a number; give at most"),
    ],
)
def test_mistakes(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        assumed(**changed)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
