"""What holds of every experiment's result."""

import json
from collections.abc import Iterable
from typing import Any

from fedsift.studies.reproduction.experiment import Experiment, Result
from fedsift.studies.reproduction.figure_style import render
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.training_cache import TrainingCache


def measured(names: Iterable[str], cache: TrainingCache) -> dict[str, Result]:
    """Experiments of the registry on the cache's clients."""
    about = {"metric": "score", "clients": len(cache.clients)}
    return {name: {**about, **EXPERIMENTS[name].measure(cache)} for name in names}


def check_json_drawn_and_told(experiment: Experiment, result: Result) -> None:
    """The series are JSON, with as many values as places; the experiment draws them, and tells of these numbers."""
    assert json.loads(json.dumps(result, allow_nan=False))["series"]
    for series in result["series"]:
        assert len(series["x"]) == len(series["y"]) > 0
    svg, png = render(experiment.name, lambda figure: experiment.draw(result, figure))
    assert svg.count("<svg") == 1
    assert png.startswith(b"\x89PNG")
    assert experiment.found(result) != experiment.found(_halved(result))


def _halved(value: Any, key: str = "") -> Any:
    """The result with half of whatever was measured; what it was measured over stays."""
    if isinstance(value, dict):
        return {name: each if name == "x" else _halved(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_halved(each, key) for each in value]
    return value / 2 if isinstance(value, float) or (key == "y" and isinstance(value, int)) else value
