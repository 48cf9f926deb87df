"""What holds of every experiment's result."""

import json

from fedsift.studies.reproduction.drawing import render
from fedsift.studies.reproduction.experiment import Experiment, Result


def check_json_and_drawn(experiment: Experiment, result: Result) -> None:
    """The series are JSON, with as many values as places, and the experiment draws them."""
    assert json.loads(json.dumps(result, allow_nan=False))["series"]
    for series in result["series"]:
        assert len(series["x"]) == len(series["y"]) > 0
    svg, png = render(experiment.name, lambda figure: experiment.draw(result, figure))
    assert svg.count("<svg") == 1
    assert png.startswith(b"\x89PNG")
