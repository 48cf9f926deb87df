"""Assumptions for tests: those of the worked example of docs/how-to/planning.md, but for what a test changes."""

from typing import Any

from fedsift.studies.plan.assumptions import Assumptions

EXAMPLE: dict[str, Any] = {
    "model_parameters": 1.2e9,
    "tuned": 1.0,
    "clients": 500,
    "removals": 5,
    "steps": 20,
    "batch_size": 128,
    "tokens": 200,
    "levels": 2,
    "density": 0.4,
    "dtype": "bfloat16",
    "flops": 4e14,
    "devices": 8,
    "codec_rate": 5e8,
}


def assumed(**changed: Any) -> Assumptions:
    """The example with some changes."""
    return Assumptions(**{**EXAMPLE, **changed})
