"""Experiments that the paper does not have: what must hold of them, by hand and on the tiny model."""

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.contribution import quantise
from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.running_sums import RunningSums
from fedsift.data.loading import load_dataset
from fedsift.runtime.progress import PhaseBars
from fedsift.simulations.figures import (
    bits,
    determinism,
    frontier,
    grid,
    heterogeneity,
    published,
    served,
    sign_vectors,
    sums,
)
from fedsift.studies.reproduction import merges
from fedsift.studies.reproduction.experiment import Result, series_of
from fedsift.studies.reproduction.further_clients import further_clients
from fedsift.studies.reproduction.merges import FT_MERGED, SIFT_MASKED, SIFT_PUBLISHED, mean_of, scores_of
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.training_cache import TrainingCache
from tests.core.uploads import contribution, terms
from tests.simulations.figures.drawn import check_json_drawn_and_told, measured

NAMES = ("determinism", "frontier", "grid", "heterogeneity", "served", "sign-vectors", "sums", "bits", "published")
OURS, PUBLISHED = (0.8, 0.95), (0.9, 0.999)
SETTINGS = (
    served.Setting(3, 0.0, 0.2 * 3, 0.0, PUBLISHED),
    served.Setting(1, 0.0, 0.5, 0.3, PUBLISHED),
    served.Setting(3, 0.0, 0.2 * 3, 1.0, PUBLISHED),
    served.Setting(2, 0.0, 0.4, 0.2, OURS),
)


@pytest.fixture(scope="module")
def results(tiny_cache: TrainingCache) -> Iterator[dict[str, Result]]:
    """All experiments on the same four clients, over fewer settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(determinism, "_STRENGTHS", ("1e-9", "1e-1"))
        patch.setattr(determinism, "_NOISE", {"noise of 1e-9 on M0": 1e-9, "noise of 1e-1 on M0": 1e-1})
        patch.setattr(frontier, "_STEPS", (5, 10))
        patch.setattr(frontier, "_CENTRAL_STEPS", (15,))
        patch.setattr(frontier, "_CENTRAL_CLUSTERS", 2)
        patch.setattr(frontier, "_CLUSTER_STEPS", (15,))
        patch.setattr(frontier, "_CLUSTERS", (4,))
        patch.setattr(grid, "_STEPS", (5, 100))
        patch.setattr(served, "_SETTINGS", SETTINGS)
        patch.setattr(heterogeneity, "_OVERLAPS", (0.0, 1.0))
        patch.setattr(sign_vectors, "_SEEDS", 2)
        patch.setattr(published, "_BATCHES", (1, 3))
        patch.setattr(published, "_NOISES", (0.0, 1.0))
        yield measured(NAMES, tiny_cache)


@pytest.fixture(scope="module")
def alone(tiny_cache: TrainingCache) -> TrainingCache:
    """A single client, on the workers of the four."""
    tiny_cache.sign_fixed(tiny_cache.clients)  # They run from here on.
    cache = copy.copy(tiny_cache)
    cache.clients = tiny_cache.clients[:1]
    return cache


@pytest.mark.parametrize("name", NAMES)
def test_series_are_json_drawn_and_told(results: dict[str, Result], name: str) -> None:
    check_json_drawn_and_told(EXPERIMENTS[name], results[name])


def test_only_changed_uploads_are_refused(results: dict[str, Result]) -> None:
    rows = {(row["planted"], row["bits"]): row for row in results["determinism"]["reruns"]}
    assert len(rows) == 2 * (3 + 2 + 1)
    for (planted, grid_bits), row in rows.items():
        assert row["wrong"] == 0
        assert row["reruns refused"] == row["uploads changed"] / 4
        if planted == "nothing":
            assert (row["entries changed"], row["reruns refused"]) == (0, 0)
        if planted == "one level of one entry":
            assert row["reruns refused"] == 1
        if planted in ("a row left out", "noise of 1e-1 on M0") and grid_bits == 16:
            assert row["reruns refused"] == 1
    tuned = results["determinism"]["as tuned"]
    assert tuned["nothing"] == 0 < tuned["noise of 1e-9 on M0"] <= tuned["noise of 1e-1 on M0"]


def test_a_wrong_answer_of_the_server_is_told(results: dict[str, Result]) -> None:
    result = results["determinism"]
    assert EXPERIMENTS["determinism"].found(result).startswith("As in the paper: ")
    passed = {**result, "reruns": [{**result["reruns"][0], "wrong": 1}, *result["reruns"][1:]]}
    assert EXPERIMENTS["determinism"].found(passed).startswith("Not as in the paper: ")
    assert "all but 1 of these" in EXPERIMENTS["determinism"].found(passed)
    differing = {**result, "as tuned": {**result["as tuned"], "nothing": 0.1}}
    assert EXPERIMENTS["determinism"].found(differing).startswith("Not as in the paper: ")


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
def test_frontier(pairs: list[tuple[int, int]]) -> None:
    """A point is on the frontier if and only if no other costs no more and scores as much, but for equal ones."""
    found = {(each["cost"], each["score"]) for each in frontier._frontier([{"cost": c, "score": s} for c, s in pairs])}
    beaten = {(x, y) for x, y in pairs if any(c <= x and s >= y and (c, s) != (x, y) for c, s in pairs)}
    assert found == set(pairs) - beaten


def test_costs_on_the_frontier(results: dict[str, Result]) -> None:
    costs = {(point["method"], point["knobs"]): point["cost"] for point in results["frontier"]["points"]}
    assert costs[SIFT_MASKED, "steps 5, levels 16"] == costs[FT_MERGED, "steps 5, clusters 1"] == 5
    assert costs["TALL-masks", "steps 5"] == costs["EMR-merging", "steps 5"] == 3 * 5
    assert costs["Central FT", "steps 15, clusters 1"] == costs["clustered Central FT", "steps 15, clusters 2"] == 15
    assert len(costs) == 2 * 2 + 3 + 2 * 4 + 1 + 1 + 1


def test_who_holds_the_frontier() -> None:
    def result(merged: float) -> Result:
        methods = {SIFT_MASKED: (20, 0.8), FT_MERGED: (20, merged), "Central FT": (400, 0.9)}
        points = [{"method": each, "knobs": "steps 20", "cost": x, "score": y} for each, (x, y) in methods.items()]
        series = [{"name": name} for name in methods]
        return {"series": series, "points": points, "frontier": frontier._frontier(points)}

    found = EXPERIMENTS["frontier"].found
    assert found(result(0.7)) == (
        "As in the paper: of 3 settings these score most for their steps a removal: SIFT-Masks (steps 20) 0.800 for "
        "20; Central FT (steps 20) 0.900 for 400. Up to 20 steps SIFT-Masks reaches 0.800, other methods 0.700. The "
        "dearest, Central FT (steps 20), has 0.900 for 400."
    )
    assert found(result(0.85)).startswith("Not as in the paper: ")


def test_measures_of_heterogeneity() -> None:
    vectors = {"right": (1, 1), "twice": (2, 2), "left": (-1, -1), "up": (-1, 1)}
    for other, expected in (("twice", [0, 0, 0]), ("left", [2, 1, 1]), ("up", [1, 0.5, 0.5])):
        found = heterogeneity._heterogeneity(["right", other], lambda each: np.array(vectors[each], np.float32))
        assert list(found.values()) == pytest.approx(expected)


def test_sharing_all_rows_leaves_nothing_to_gain(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    result = results["heterogeneity"]
    rows = {(row["clients"], row["overlap"]): row for row in result["rows"]}
    assert sorted(rows) == [(1, 0.0), (1, 1.0), (2, 0.0), (2, 1.0), (4, 0.0), (4, 1.0)]
    for size in (2, 4):
        assert [rows[size, 1.0][name] for name in heterogeneity._MEASURES] == pytest.approx([0, 0, 0], abs=1e-6)
        assert all(rows[size, 0.0][name] > 0.05 for name in heterogeneity._MEASURES)
    task_vectors = tiny_cache.fine_tuned(tiny_cache.clients)
    merged = mean_of(tiny_cache, tiny_cache.clients, task_vectors)
    (scores,) = scores_of(tiny_cache, ((each, {"": merged}) for each in tiny_cache.clients), 4).values()
    shown = series_of(result, FT_MERGED, "score")
    assert shown["y"][0] == pytest.approx(np.mean(scores), abs=1e-5)


def test_correlation() -> None:
    rows = [*({"measure": x, "gain": y} for x, y in ((1.0, 5.0), (2.0, 3.0), (3.0, 1.0))), {"measure": 9.0}]
    assert heterogeneity._correlation(rows, "measure", "gain") == pytest.approx(-1)
    assert heterogeneity._correlation(rows[:1], "measure", "gain") == 0


def test_gains_both_ways() -> None:
    def result(published: list[float]) -> Result:
        """Others go from 0.1 to 0.9; SIFT-Masks has 1, and as published what is given."""
        others = (FT_MERGED, "Central FT, 40 steps")
        over = [f"over {name}" for name in others]
        scores = {SIFT_MASKED: [1, 1], SIFT_PUBLISHED: published, **{name: [0.1, 0.9] for name in others}}
        return {
            "series": [{"name": name, "y": y} for name, y in scores.items()],
            "rows": [{"clients": 4, **dict.fromkeys(over, gain)} for gain in (0.9, 0.1)],
            "correlations": dict.fromkeys(over, dict.fromkeys(heterogeneity._MEASURES, 0.5)),
        }

    found = EXPERIMENTS["heterogeneity"].found
    assert found(result([0.8, 0.9])).startswith(
        "As in the paper: without shared rows, and with all shared, SIFT-Masks gains over FT + Merge +0.900 and +0.100;"
    )
    assert found(result([0.1, 0.95])).startswith("Not as in the paper: ")


def test_sign_vectors(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    candidates = sign_vectors._sign_vectors(tiny_cache)
    assert np.array_equal(candidates["random 1"], tiny_cache.signs)
    assert (candidates["M0"] == -candidates["mirrored M0"]).mean() > 0.9  # but for zeros
    for name, signs in candidates.items():
        assert set(np.unique(signs)) == {-1, 1}
        agreeing = (signs == tiny_cache.signs).mean()
        assert (agreeing == 1) if name == "random 1" else (0.4 < agreeing < 0.6)
    task_vectors = tiny_cache.fine_tuned(tiny_cache.clients)
    total = sum(task_vectors(each).astype(np.float64) for each in tiny_cache.clients)
    moved = np.abs(total) > 1e-6
    assert np.array_equal(candidates["members' mean"][moved], np.sign(total)[moved])
    names = ["random 1", "random 2", "M0", "mirrored M0", "other clients' mean", "members' mean"]
    for series in results["sign-vectors"]["series"]:
        assert series["x"] == names
    signs = sign_vectors._signs(np.array([0.5, 0, -2], np.float32), np.array([1, -1, 1], np.int8))
    assert signs.tolist() == [1, -1, -1]


def test_a_single_client_is_served_what_it_tuned(alone: TrainingCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_vectors, "_SEEDS", 2)
    cache = copy.copy(alone)
    cache.config = dataclasses.replace(alone.config, max_magnitude=0.2)  # Nothing that was tuned is larger.
    result = EXPERIMENTS["sign-vectors"].measure(cache)
    local, published = (series_of(result, name)["y"] for name in ("local", SIFT_PUBLISHED))
    assert published == pytest.approx(local, abs=1e-5)  # at 16 bits


def test_a_better_sign_vector_is_told_but_not_that_of_members() -> None:
    names = ["random 1", "random 2", "M0", "mirrored M0", "members' mean"]

    def result(pretrained: float) -> Result:
        y = [0.4, 0.5, pretrained, 0.3, 0.9]
        return {"series": [{"name": name, "x": names, "y": y} for name in ("local", SIFT_MASKED, "entries kept")]}

    found = EXPERIMENTS["sign-vectors"].found
    assert "M0 serves better than every random one (SIFT-Masks)" in found(result(0.6))
    assert "none serves better than every random one" in found(result(0.5))


def test_sources_by_hand() -> None:
    """A client of levels 0, 1, 3 and another of 2, 0, 1; a level is worth 0.5; tensors of two entries and of one."""
    server = RunningSums(terms(3), capacity=2)
    server.level_sum[:], server.mask_count[:] = [2, 1, 4], [1, 1, 2]
    layout = ParameterLayout(("a", "b"), ((2,), (1,)))
    served = sums._served(np.array([0, 1, 3], np.uint32), server, 0.5, 2, layout)
    assert {source: each.tolist() for source, each in served.items()} == {
        "mask, one constant": [0, 1, 1],
        "mask, a constant a tensor": [0, 0.5, 1.5],
        "S / |T|": [0, 0.25, 1],
        "S / C of the others": [0, 0, 0.5],
        "S / C": [0, 0.5, 1],
        "its own model": [0, 0.5, 1.5],
    }


def test_a_single_client_has_nothing_of_others(alone: TrainingCache) -> None:
    for series in EXPERIMENTS["sums"].measure(alone)["series"]:
        score = dict(zip(series["x"], series["y"], strict=True))
        assert score["S / |T|"] == score["S / C"] == score["its own model"]
        assert score["S / C of the others"] == pytest.approx(merges.zero_shot(alone), abs=1e-6)
    served = EXPERIMENTS["bits"].measure(alone)
    for name in ("served, S / |T|", "served, S / C"):
        assert series_of(served, name)["y"] == series_of(served, "own, not merged")["y"]


def test_bytes_are_a_mask_and_the_levels_kept(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    names = "bytes uploaded a parameter", "share of entries kept", "entropy coded"
    uploaded, kept, coded = (series_of(results["bits"], name)["y"] for name in names)
    assert all(0 < ideal < size for ideal, size in zip(coded, uploaded, strict=True))
    assert kept == sorted(kept)
    for number, size, share in zip((1, 2, 3, 4, 8, 16), uploaded, kept, strict=True):
        expected = 1 / 8 + (share * number / 8 if number > 1 else 0)
        assert expected < size < expected + 100 / tiny_cache.size  # a header


def test_entropy_by_hand() -> None:
    """Of three tensors: 0 0 1 1 has one bit an entry; 3 3 3 3 has none; 0 1 2 3 has two: 4 + 0 + 8 bits."""
    layout = ParameterLayout(("a", "b", "c"), ((4,), (2, 2), (4,)))
    made = contribution([0, 0, 1, 1, 3, 3, 3, 3, 0, 1, 2, 3])
    assert bits.entropy_bytes(made, layout) == pytest.approx(12 / 8)


def test_what_is_served_is_measured_on_two_halves(tiny_cache: TrainingCache, results: dict[str, Result]) -> None:
    """Each a federation of its own; together, without commit steps, the clients of the experiment on bits."""
    rows = {(row["half"], row["commit_steps"]): row for row in results["served"]["rows"]}
    assert sorted(rows) == [(half, number) for half in ("reported", "search") for number in (0, 2, 3, 10)]
    own, kept, uploaded = "own", "share of entries kept", "bytes uploaded a parameter"
    for name, name_there in ((own, "own, not merged"), (kept, kept), (uploaded, uploaded)):
        together = series_of(results["bits"], name_there)["y"][1]  # at 2 bits
        assert np.mean([rows[half, 0][name] for half in ("search", "reported")]) == pytest.approx(together, abs=1e-9)
    reported, magnitudes = tiny_cache.clients[2:], tiny_cache.sign_fixed(tiny_cache.clients)
    reach = 0.6 * tiny_cache.config.lr * tiny_cache.config.steps
    config = dataclasses.replace(tiny_cache.config, levels=3, max_magnitude=reach, localise="coordinate")
    merge = merges.sift_merge(tiny_cache, config, reported, magnitudes)
    requests = ((each, {"": merge.served(magnitudes(each))}) for each in reported)
    (scores,) = scores_of(tiny_cache, requests, 2).values()
    assert rows["reported", 0]["coordinate"] == pytest.approx(np.mean(scores), abs=1e-9)
    for half_name in ("search", "reported"):
        one_bit = rows[half_name, 3]
        assert one_bit["coordinate"] == pytest.approx(one_bit[own], abs=1e-9)
        assert 1 / 8 < one_bit["bytes uploaded a parameter"] < 1 / 8 + 100 / tiny_cache.size  # a header
        assert one_bit["max_magnitude"] == 0.5 * 10 * tiny_cache.config.lr
        assert len({rows[half_name, number][own] for number in (0, 2, 3, 10)}) == 4


def test_a_setting_is_chosen_on_the_search_half_alone() -> None:
    def row(half: str, setting: str, score: float) -> dict[str, object]:
        sizes = {"share of entries kept": 0.25, "bytes uploaded a parameter": 0.125}
        return {"half": half, "setting": setting, "own": score, "coordinate": 0.1, "merged, for all": 0.0, **sizes}

    rows = [
        *(row("search", *each) for each in (("a", 0.5), ("b", 0.7), ("c", 0.6))),
        *(row("reported", *each) for each in (("a", 0.9), ("b", 0.2), ("c", 0.8))),
    ]
    told = EXPERIMENTS["served"].found({"rows": rows, "clients of a half": 7, "series": []})
    assert "the best is b (0.700 in the search): members score 0.200 with their own quantised model" in told


def test_one_client_has_no_half(alone: TrainingCache) -> None:
    with pytest.raises(BadInput, match="clients = 1: one half of the clients is for search"):
        EXPERIMENTS["served"].measure(alone)


def test_experiments_that_need_others_say_so(tiny_cache: TrainingCache, tmp_path: Path) -> None:
    assert list(further_clients(tiny_cache, 2)) == ["client 4", "client 5"]
    assert len(further_clients(tiny_cache, 20)) == 4
    everybody = TrainingCache(dataclasses.replace(tiny_cache.config, clients=0), tmp_path, PhaseBars())
    with pytest.raises(BadInput, match="clients = 8: all that the data have; this experiment needs further ones"):
        further_clients(everybody, 1)


def test_the_grid_follows_the_steps(results: dict[str, Result]) -> None:
    """A small real run at 5 and at 100 steps: what members are served is as good as what they tuned."""
    rows = {(row["steps"], row["grid"]): row for row in results["grid"]["rows"]}
    for steps, levels in ((5, 16), (100, 128)):
        row = rows[steps, "as the steps need"]
        assert row["levels"] == levels
        assert row["own"] >= row["local"] - 0.01
        assert row["clients that lose more than .01"] == 0
        assert row["most lost by a client"] <= 0.01
        assert row["bytes a parameter"] > rows[steps, "2 levels"]["bytes a parameter"]
    assert rows[100, "16 levels"]["levels"] == 16
    assert rows[100, "2 levels"]["own"] < rows[100, "2 levels"]["local"] - 0.01


def test_a_lone_leaver_gives_its_own_model_away(results: dict[str, Result], tiny_cache: TrainingCache) -> None:
    """One of the four has, with its own quantised model, just the score that the difference has."""
    magnitudes = tiny_cache.sign_fixed(tiny_cache.clients)
    data, merge = load_dataset(tiny_cache.config), merges.SiftMerge(tiny_cache, tiny_cache.config, 1)
    own = {each: merge.own(quantise(magnitudes(each), merge.terms)) for each in tiny_cache.clients}
    losses = tiny_cache.example_losses((each, vector, data.train_examples(each)) for each, vector in own.items())
    scores = [float(np.exp(-each).mean()) for each in losses.values()]
    row = next(row for row in results["published"]["rows"] if (row["noise"], row["leave"]) == (0, 1))
    assert min(abs(row["model of the difference"] - score) for score in scores) < 1e-6
    noisy = next(row for row in results["published"]["rows"] if (row["noise"], row["leave"]) == (1, 1))
    assert noisy["model of the difference"] < row["model of the difference"]
    assert "head of the difference" not in noisy
