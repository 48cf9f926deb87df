"""Figures 8 to 10: what must hold of them whatever the scores are, and both verdicts of each."""

from typing import Any

import numpy as np
import pytest

from fedsift.core.seeds import derive_seed
from fedsift.studies.reproduction.experiment import Result, series_of
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    SIFT_PUBLISHED,
    TALL_MASKED,
    ZERO_SHOT,
    mean_of,
    scores_of,
    sift_merges,
    zero_shot,
)
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.training_cache import TrainingCache
from tests.simulations.figures.drawn import check_json_drawn_and_told, measured

CENTRAL = "Central FT"
NAMES = ("fig8", "fig9", "fig10")


@pytest.fixture(scope="module")
def results(tiny_cache: TrainingCache) -> dict[str, Result]:
    """All figures on the same four clients."""
    return measured(NAMES, tiny_cache)


@pytest.mark.parametrize("name", NAMES)
def test_series_are_json_drawn_and_told(results: dict[str, Result], name: str) -> None:
    check_json_drawn_and_told(EXPERIMENTS[name], results[name])


def test_who_stays_and_who_left(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    """Held-in and held-out are the same while all stay; without members all are at zero-shot."""
    result = results["fig8"]
    nothing = zero_shot(tiny_cache)
    for name in (SIFT_MASKED, SIFT_PUBLISHED, FT_MERGED):
        inside, outside = (series_of(result, name, panel) for panel in ("held-in", "held-out"))
        assert inside["x"] == [0, 1, 2, 3]
        assert outside["x"] == [0, 1, 2, 3, 4]
        assert inside["y"][0] == outside["y"][0]
        assert outside["y"][-1] == pytest.approx(nothing, abs=1e-6)
    assert result[ZERO_SHOT] == pytest.approx(nothing, abs=1e-6)


def test_walking_down_ends_where_merging_the_rest_begins(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    result, clients = results["fig8"], tiny_cache.clients
    order = sorted(clients, key=lambda client_id: derive_seed(tiny_cache.config.seed, "leave", client_id))
    rest, magnitudes, task_vectors = order[2:], tiny_cache.sign_fixed(clients), tiny_cache.fine_tuned(clients)
    sift, merged = sift_merges(tiny_cache, rest, magnitudes), mean_of(tiny_cache, rest, task_vectors)
    own = {each: {name: merge.served(magnitudes(each)) for name, merge in sift.items()} for each in rest}
    requests = [(each, {**own[each], FT_MERGED: merged}) for each in rest]
    for name, scores in scores_of(tiny_cache, requests, 2).items():
        assert series_of(result, name, "held-in")["y"][2] == pytest.approx(np.mean(scores), abs=1e-6)
    (alone,) = scores_of(tiny_cache, [(order[3], {"local": task_vectors(order[3])})], 1)["local"]
    assert series_of(result, FT_MERGED, "held-in")["y"][3] == pytest.approx(alone, abs=1e-6)


def test_trainings_added_up(results: dict[str, Result]) -> None:
    """By hand, of 4 clients; X is 4, 2 (0.4 of 4, rounded) and 1."""
    found = {each["name"].removeprefix(f"{CENTRAL}, "): each["y"] for each in results["fig9"]["series"]}
    assert found == {SIFT_MASKED: [1, 2, 3, 3], "X = 4": [3, 5, 6, 6], "X = 2": [1, 1], "X = 1": [0]}


def test_storage_and_cost(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    """By hand, of 4 clients: masks add 4/32 of a model (a little more: whole bytes); clusters of 4, 2 and 1."""
    result = results["fig10"]
    cost = {each["name"]: (each["x"], each["y"]) for each in result["series"] if each["panel"] == "cost"}
    assert cost[CENTRAL] == ([1, 2, 4], [3, 2, 1])
    for name, trainings in ((SIFT_MASKED, 1), (TALL_MASKED, 3)):
        assert cost[name] == ([pytest.approx(1 + 4 / 32, abs=1e-3)], [trainings])
    task_vectors = tiny_cache.fine_tuned(tiny_cache.clients)
    merged = mean_of(tiny_cache, tiny_cache.clients, task_vectors)
    requests = [(each, {"local": task_vectors(each), "merged": merged}) for each in tiny_cache.clients]
    scores = scores_of(tiny_cache, requests, 4)
    clusters = series_of(result, FT_MERGED, "score")
    assert clusters["x"] == [1, 2, 4]
    assert clusters["y"][::2] == pytest.approx([np.mean(scores[name]) for name in ("merged", "local")], abs=1e-5)


def walk(held_in: list[float], held_out: list[float]) -> Result:
    series: list[dict[str, Any]] = []
    for panel, y in (("held-in", held_in), ("held-out", held_out)):
        series += [{"panel": panel, "name": name, "y": y} for name in (SIFT_MASKED, FT_MERGED)]
    return {"series": series, ZERO_SHOT: 0.1}


def added_up(ours: list[int], theirs: list[int]) -> Result:
    return {"series": [{"name": SIFT_MASKED, "y": ours}, {"name": CENTRAL, "y": theirs}]}


def stored(cost: int, score: float) -> Result:
    return {
        "series": [
            {"panel": "cost", "name": CENTRAL, "x": [1, 2, 50], "y": [99, 50, 2]},
            {"panel": "cost", "name": SIFT_MASKED, "x": [4.125], "y": [cost]},
            {"panel": "cost", "name": TALL_MASKED, "x": [4.125], "y": [99]},
            {"panel": "score", "name": FT_MERGED, "x": [1, 2, 50], "y": [0.1, 0.2, 0.5]},
            {"panel": "score", "name": SIFT_MASKED, "x": [4.125], "y": [score]},
        ]
    }


@pytest.mark.parametrize(
    ("name", "holding", "failing", "words"),
    [
        ("fig8", walk([0.8, 0.9], [0.8, 0.1]), walk([0.8, 0.7], [0.8, 0.1]), "goes from 0.800 to 0.100 held-out"),
        ("fig8", walk([0.8, 0.9], [0.8, 0.1]), walk([0.8, 0.9], [0.8, 0.8]), "from 0.800 to 0.900 held-in"),
        (
            "fig9",
            added_up([1, 2, 3, 3], [3, 5, 6, 6]),
            added_up([3, 5, 6, 6], [3, 5, 6, 6]),
            "for the first removal and 6 for all, SIFT-Masks 1 and 3, so Central FT 3 and 2 times as many.",
        ),
        ("fig10", stored(1, 0.4), stored(50, 0.4), "it takes 50 clusters to score as high"),
        ("fig10", stored(1, 0.9), stored(1, 0.15), "no number of clusters scores as high"),
    ],
)
def test_both_verdicts(name: str, holding: Result, failing: Result, words: str) -> None:
    found = EXPERIMENTS[name].found
    assert found(holding).startswith("As in the paper: ")
    assert words in found(holding)
    assert found(failing).startswith("Not as in the paper: ")
