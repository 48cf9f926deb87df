"""Figures 3 to 7 and 11 to 13: what must hold between them whatever the scores are, and both verdicts of each."""

from typing import Any

import numpy as np
import pytest

from fedsift.simulations.figures import figure_6, figure_7
from fedsift.studies.reproduction.experiment import Result, means, series_of
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    SIFT_MERGED,
    SIFT_PUBLISHED,
    TALL_MASKED,
    TIES_MERGED,
    mean_of,
    scores_of,
)
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.training_cache import TrainingCache
from tests.simulations.figures.drawn import check_json_drawn_and_told, measured

NAMES = ("fig3", "fig4", "fig5", "fig6", "fig7", "fig11", "fig12", "fig13")
CENTRAL = "Central FT"


@pytest.fixture(scope="module")
def results(tiny_cache: TrainingCache) -> dict[str, Result]:
    """All figures on the same four clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_6, "_CENTRAL_STEPS", (5, 20))
        patch.setattr(figure_7, "_STEPS", (5, 10, 20))
        return measured(NAMES, tiny_cache)


@pytest.mark.parametrize("name", NAMES)
def test_series_are_json_drawn_and_told(results: dict[str, Result], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_7, "_STEPS", (5, 10, 20))
    result = results[name]
    check_json_drawn_and_told(EXPERIMENTS[name], result)
    for series in result["series"]:
        for low, y, high in zip(series.get("low", []), series["y"], series.get("high", []), strict=False):
            assert low <= y <= high


def test_numbers_merged_end_at_the_local_and_at_all(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    task_vectors = tiny_cache.fine_tuned(tiny_cache.clients)
    merged = mean_of(tiny_cache, tiny_cache.clients, task_vectors)
    requests = ((each, {"local": task_vectors(each), "all": merged}) for each in tiny_cache.clients)
    scores = scores_of(tiny_cache, requests, len(tiny_cache.clients))
    local, everybody = (float(np.mean(scores[name])) for name in ("local", "all"))
    for name in ("fig3", "fig11"):
        series = series_of(results[name], FT_MERGED)
        assert series["x"] == [1, 2, 4]
        assert series["y"][0] == pytest.approx(local, abs=1e-5)
        assert series["y"][-1] == pytest.approx(everybody, abs=1e-6)
    assert local > everybody > results["fig3"]["zero_shot"]

    ft = series_of(results["fig4"], "FT")
    assert ft["y"][:2] == pytest.approx([local, everybody], abs=1e-5)
    assert series_of(results["fig13"], FT_MERGED)["y"] == pytest.approx([everybody], abs=1e-6)
    assert series_of(results["fig6"], FT_MERGED)["y"] == pytest.approx([everybody], abs=1e-6)
    assert series_of(results["fig7"], FT_MERGED)["y"][1] == pytest.approx(everybody, abs=1e-6)  # 10 steps

    whole = [each for each in results["fig12"]["series"] if each["name"] == "1 merged"]
    assert [each["panel"] for each in whole] == [TIES_MERGED, FT_MERGED]
    assert [each["y"][-1] for each in whole] == pytest.approx([local, local], abs=1e-5)  # density 1 trims nothing
    at_a_fifth = series_of(results["fig12"], "4 merged", TIES_MERGED)["y"][1]
    assert at_a_fifth == pytest.approx(series_of(results["fig11"], TIES_MERGED)["y"][-1], abs=1e-6)


def test_sift_masks_score_the_same_in_all_figures(results: dict[str, Result]) -> None:
    expected = {name: series_of(results["fig3"], name)["y"][-1] for name in (SIFT_MASKED, SIFT_PUBLISHED)}
    assert expected[SIFT_MASKED] != expected[SIFT_PUBLISHED]
    for name, score in expected.items():
        assert series_of(results["fig6"], name)["y"] == pytest.approx([score], abs=1e-6)
        assert series_of(results["fig7"], name)["y"][1] == pytest.approx(score, abs=1e-6)
        assert np.mean(series_of(results["fig5"], name)["y"]) == pytest.approx(score, abs=1e-6)
    assert series_of(results["fig4"], "SIFT")["y"][2] == pytest.approx(expected[SIFT_MASKED], abs=1e-6)
    assert series_of(results["fig4"], SIFT_PUBLISHED)["y"] == pytest.approx([expected[SIFT_PUBLISHED]], abs=1e-6)
    merged = series_of(results["fig13"], SIFT_MERGED)["y"]
    assert series_of(results["fig4"], "SIFT")["y"][1] == pytest.approx(merged[0], abs=1e-6)


def test_distances_are_those_to_the_own_local_model(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    series, task_vectors = series_of(results["fig5"], FT_MERGED), tiny_cache.fine_tuned(tiny_cache.clients)
    merged = mean_of(tiny_cache, tiny_cache.clients, task_vectors)
    clients = results["fig5"]["points"]
    assert clients == sorted(tiny_cache.clients)
    expected = [np.sqrt(((merged - task_vectors(each)).astype(np.float64) ** 2).sum()) for each in clients]
    assert series["x"] == pytest.approx(expected, rel=1e-5)
    # A mask takes off entries that are zero in the local model, so nothing but rounding can add to the distance.
    masked, unmasked = (series_of(results["fig5"], name)["x"] for name in (SIFT_PUBLISHED, SIFT_MERGED))
    assert all(each < other for each, other in zip(masked, unmasked, strict=True))


def test_costs_of_a_removal(results: dict[str, Result]) -> None:
    costs = {each["name"]: each["x"] for each in results["fig6"]["series"]}
    # Four clients of 10 steps: alone, or the three others; Central FT's steps are its own.
    assert costs == {
        CENTRAL: [10, 20],
        SIFT_MASKED: [10],
        SIFT_PUBLISHED: [10],
        FT_MERGED: [10],
        "clustered FT + Merge": [10],
        TIES_MERGED: [10],
        TALL_MASKED: [30],
        "EMR-merging": [30],
    }
    assert set(results["fig6"]["chosen"]) == {TIES_MERGED, TALL_MASKED}


def test_means_and_intervals() -> None:
    series = means("name", [1, 2], [[0.0, 1.0], [0.5]])
    assert series["y"] == [0.5, 0.5]
    # A standard deviation of 1/sqrt(2), divided by sqrt(2), is 0.5.
    assert series["low"] == pytest.approx([0.5 - 1.96 * 0.5, 0.5])
    assert series["high"] == pytest.approx([0.5 + 1.96 * 0.5, 0.5])


Series = list[dict[str, Any]]
NUMBERS, STEPS, KINDS = [1, 10, 100], [5, 10, 15, 20, 25, 30], ["local", "merged", "masked"]
COSTS = {CENTRAL: [20, 800], SIFT_MASKED: [20], FT_MERGED: [20], TALL_MASKED: [1980]}


def over(x: list[Any], scores: dict[str, list[float]]) -> Series:
    """Series over the same x, by name."""
    return [{"name": name, "x": x, "y": y} for name, y in scores.items()]


def costing(central: list[float], masked: float, merged: float, tall: float) -> Series:
    scores = (central, [masked], [merged], [tall])
    return [{"name": name, "x": x, "y": y} for (name, x), y in zip(COSTS.items(), scores, strict=True)]


def points(ft_merged: list[float], sift_merged: list[float], masked: list[float]) -> Series:
    """Distances of two clients; the scores are always those of the paper."""
    distances = {FT_MERGED: ft_merged, SIFT_MERGED: sift_merged, SIFT_MASKED: masked}
    scores = ([0.1, 0.1], [0.1, 0.1], [0.8, 1])
    return [{"name": name, "x": x, "y": y} for (name, x), y in zip(distances.items(), scores, strict=True)]


def made_up(series: Series) -> Result:
    return {"metric": "score", "clients": 100, "zero_shot": 0.1, "series": series}


FALLS, STAYS = [0.9, 0.4, 0.1], [0.9, 0.9, 0.8]
LOW = [0.1] * 6
BOTH_WAYS: list[tuple[str, Series, Series, str]] = [
    (
        "fig3",
        over(NUMBERS, {FT_MERGED: FALLS, SIFT_MASKED: STAYS}),
        over(NUMBERS, {FT_MERGED: STAYS, SIFT_MASKED: FALLS}),
        "from 0.900 to 0.100 (zero-shot 0.100) and SIFT-Masks from 0.900 to 0.800.",
    ),
    (  # The claim is the paper's, so it is held against SIFT-Masks as published.
        "fig3",
        over(NUMBERS, {FT_MERGED: FALLS, SIFT_MASKED: STAYS, SIFT_PUBLISHED: STAYS}),
        over(NUMBERS, {FT_MERGED: FALLS, SIFT_MASKED: STAYS, SIFT_PUBLISHED: FALLS}),
        "to 0.800 (as published 0.800).",
    ),
    (
        "fig4",
        over(KINDS, {"FT": [0.9, 0.1, 0.5], "SIFT": [0.9, 0.1, 0.8]}),
        over(KINDS, {"FT": [0.9, 0.1, 0.9], "SIFT": [0.9, 0.1, 0.8]}),
        "under masks SIFT-Masks has 0.800 and TALL-masks 0.500.",
    ),
    ("fig5", points([2, 4], [2, 2], [1, 1]), points([2, 2], [2, 4], [1, 1]), "lies 2.00 from the local ones inste"),
    (
        "fig6",
        costing([0.2, 0.95], 0.8, 0.1, 0.9),
        costing([0.85, 0.95], 0.8, 0.1, 0.9),
        "Central FT scores 0.800 from 800 steps on; TALL-masks has 0.900 for 1,980 steps.",
    ),
    ("fig6", costing([0.2, 0.7], 0.8, 0.1, 0.9), costing([0.2, 0.7], 0.8, 0.9, 0.9), "Central FT has no more than 0.7"),
    (
        "fig7",
        over(STEPS, {FT_MERGED: LOW, SIFT_MERGED: LOW, SIFT_MASKED: [0.6, 0.78, 0.8, 0.8, 0.8, 0.8]}),
        over(STEPS, {FT_MERGED: LOW, SIFT_MERGED: LOW, SIFT_MASKED: [0.6, 0.7, 0.8, 0.8, 0.8, 0.8]}),
        "SIFT-Masks scores 0.780 after 10 steps and 0.800 after 20;",
    ),
    (
        "fig11",
        over(NUMBERS, {FT_MERGED: [0.9, 0.5, 0.3], TIES_MERGED: [0.72, 0.6, 0.15]}),
        over(NUMBERS, {FT_MERGED: [0.9, 0.5, 0.3], TIES_MERGED: [0.72, 0.1, 0.27]}),
        "0.720 against 0.900 (80%) with 1 model and 0.150 against 0.300 (50%) with 100 merged; zero-shot 0.100.",
    ),
    (
        "fig13",
        over(["merged"], {FT_MERGED: [0.1], TIES_MERGED: [0.12], SIFT_MERGED: [0.11]}),
        over(["merged"], {FT_MERGED: [0.1], TIES_MERGED: [0.32], SIFT_MERGED: [0.11]}),
        "FT + Merge 0.100, TIES 0.120, SIFT + Merge 0.110; zero-shot 0.100.",
    ),
]


@pytest.mark.parametrize(("name", "as_in_paper", "not_as_in_paper", "told"), BOTH_WAYS)
def test_both_verdicts(name: str, as_in_paper: Series, not_as_in_paper: Series, told: str) -> None:
    found = EXPERIMENTS[name].found
    sentence = found(made_up(as_in_paper))
    assert sentence.startswith("As in the paper: ")
    assert told in sentence
    assert found(made_up(not_as_in_paper)).startswith("Not as in the paper: ")


@pytest.mark.parametrize(("trimmed", "verdict"), [(0.5, "As in the paper"), (0.2, "Not as in the paper")])
def test_both_verdicts_on_trimming(trimmed: float, verdict: str) -> None:
    densities = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
    few = over(densities, {"1 merged": [0.1, 0.3, 0.5, 0.7, 0.8, 0.9]})
    many = over(densities, {"100 merged": [trimmed, 0.1, 0.1, 0.1, 0.1, 0.4]})
    series = [{**each, "panel": TIES_MERGED} for each in few + many]
    sentence = EXPERIMENTS["fig12"].found({**made_up(series), "numbers": [1, 100]})
    assert sentence.startswith(f"{verdict}: the best trimming changes the score by -0.100 with 1 merged (density 0.8)")
