from pathlib import Path

import pytest

from fedsift.learning.model_location import PEOPLE_MODEL
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_layout, load_model


@pytest.mark.parametrize("model", ["people", "tiny"])
def test_the_layout_needs_no_weights(model: str, tiny_model: Path) -> None:
    settings = ModelSettings(model=str(tiny_model) if model == "tiny" else model)
    assert load_layout(settings) == load_model(settings)[0].layout


def test_the_embedded_model_is_small() -> None:
    assert sum(file.stat().st_size for file in PEOPLE_MODEL.iterdir()) < 2_000_000
