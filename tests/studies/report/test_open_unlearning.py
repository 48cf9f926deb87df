"""The export in OpenUnlearning's names."""

import json
from typing import Any

import pytest

from fedsift.studies.report.open_unlearning import open_unlearning, priv_leak
from tests.studies.report.results import three_of_a_hundred


def test_priv_leak() -> None:
    """By MUSE's own count, which is of 1 - AUC: 0.25 for 0.5 is half of it, lost."""
    assert priv_leak(0.75, 0.5) == pytest.approx(-50)
    assert priv_leak(0.25, 0.5) == pytest.approx(50)
    assert priv_leak(0.625, 0.625) == 0


def test_names_and_numbers() -> None:
    told: dict[str, Any] = three_of_a_hundred(attacks=True)["attacks"]
    (loss, memory) = told["membership"][0], told["memory"][0]
    assert loss["method"] == memory["method"] == "SIFT-Masks"
    told["membership"].append({**loss, "metric": "min_k"})

    def more(metric: str, figure: str, before: float, oracle: float) -> None:
        at = {"before": {figure: before}, "after": {figure: oracle}, "oracle": {figure: oracle}}
        told["memory"].append({**memory, "metric": metric, **at})

    more("model_utility_stayers", "harmonic_mean", 0.5, 0.5)
    more("model_utility_newcomers", "harmonic_mean", 0.25, 0.0)
    more("forget_quality", "ks", 1.0, 0.0)
    told["examples"] = 3
    found = json.loads(open_unlearning(told))
    assert list(found) == ["SIFT-Masks", "Central FT", "negated task vector", "SIFT-Masks, own mask"]
    before, oracle = found["SIFT-Masks"]["before"], found["SIFT-Masks"]["oracle"]
    assert before == {
        "extraction_strength": 0.5,
        "forget_quality": pytest.approx(0.1),  # 3 below 3: two of 20 orders
        "mia_loss": 0.81,
        "mia_min_k": 0.81,
        "model_utility": pytest.approx(1 / 3),
        "privleak": pytest.approx(100 * (0.512 - 0.81) / 0.488),
    }
    assert (oracle["forget_quality"], oracle["model_utility"], oracle["privleak"]) == (1, 0, 0)
    assert found["SIFT-Masks"]["after"] == oracle
