"""The frontier of score against the cost of a removal: methods over their own knobs, on the same clients.

Cost is in optimiser steps; those of merges are on a client's rows, those of Central FT on a batch of all clients'.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import counted
from fedsift.core.quantisation import highest_level
from fedsift.core.seeds import derive_seed
from fedsift.core.task_vectors import Vector
from fedsift.data.partition import partition_iid
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, plot, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    SIFT_PUBLISHED,
    compared_merge,
    held_against_paper,
    mean_of,
    published,
    scores_of,
    sift_merge,
)
from fedsift.studies.training_cache import TrainingCache

_STEPS = (5, 10, 20, 40)  # of a client
_BITS = (1, 4, 16)  # beside the configuration's, at its steps
_CLUSTERS = (5, 10, 25)  # of FT + Merge, at the configuration's steps
_REBUILT = ("ties", "tall-masks", "emr")  # everybody else trains again
_CENTRAL_STEPS = (50, 100, 200, 400)
_CENTRAL_CLUSTERS, _CLUSTER_STEPS = 5, (50, 100)
_FRONTIER = "frontier"
_RING: dict[str, Any] = {"color": "0.5", "linewidth": 1, "marker": "o", "markersize": 7, "fillstyle": "none"}


class _Point(NamedTuple):
    """A method with its knobs set, what a removal costs, and what a client is served."""

    method: str
    knobs: str
    cost: int
    served: Callable[[str], Vector]


def measure(cache: TrainingCache) -> Result:
    """Score all methods at all knobs, and mark those that no other beats at no higher cost."""
    points: list[dict[str, Any]] = []
    scores: dict[str, list[list[float]]] = {}
    for point in _points(cache):
        requests = ((client_id, {"": point.served(client_id)}) for client_id in cache.clients)
        scores.setdefault(point.method, []).append(scores_of(cache, requests, len(cache.clients))[""])
        points.append({"method": point.method, "knobs": point.knobs, "cost": point.cost})
    series = []
    for method, each in scores.items():
        own = [entry for entry in points if entry["method"] == method]
        series.append(means(method, [entry["cost"] for entry in own], each))
        for entry, score in zip(own, series[-1]["y"], strict=True):
            entry["score"] = score
    best = _frontier(points)
    line = {"name": _FRONTIER, "x": [entry["cost"] for entry in best], "y": [entry["score"] for entry in best]}
    return {"series": [*series, line], "points": points, _FRONTIER: best}


def _frontier(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The points that score more than all that cost no more, by cost."""
    best: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda point: (point["cost"], -point["score"])):
        if not best or point["score"] > best[-1]["score"]:
            best.append(dict(point))
    return best


def _points(cache: TrainingCache) -> Iterator[_Point]:
    config, clients = cache.config, len(cache.clients)
    for steps in _STEPS:
        tuned = dataclasses.replace(config, steps=steps)
        yield _sift_point(cache, SIFT_MASKED, tuned)
        if published(config) != config:
            yield _sift_point(cache, SIFT_PUBLISHED, published(tuned))
    for bits in _BITS:
        yield _sift_point(cache, SIFT_MASKED, dataclasses.replace(config, levels=highest_level(bits)))
    for steps in _STEPS:
        yield _clustered_point(cache, 1, steps)
        for name in _REBUILT:
            merge = compared_merge(name, cache, cache.clients, steps)
            yield _Point(merge.title, f"steps {steps}", METHODS[name].cost(clients) * steps, merge.served)
    for clusters in _CLUSTERS:
        yield _clustered_point(cache, clusters, config.steps)
    yield from _central_points(cache, "central-ft", 1, _CENTRAL_STEPS)
    yield from _central_points(cache, "clustered-central-ft", _CENTRAL_CLUSTERS, _CLUSTER_STEPS)


def _sift_point(cache: TrainingCache, name: str, config: RunConfig) -> _Point:
    magnitudes = cache.sign_fixed(cache.clients, config=config)
    merge = sift_merge(cache, config, cache.clients, magnitudes)
    cost = METHODS[SIFT_MASKS].cost(len(cache.clients)) * config.steps
    knobs = f"steps {config.steps}, levels {config.grid.levels}"
    return _Point(name, knobs, cost, lambda client_id: merge.served(magnitudes(client_id)))


def _clusters(cache: TrainingCache, number: int) -> list[list[str]]:
    """Random clusters of equal size."""
    clients = len(cache.clients)
    places = partition_iid(clients, min(number, clients), derive_seed(cache.config.seed, "clusters"))
    return [[cache.clients[place] for place in each] for each in places.values()]


def _clustered_point(cache: TrainingCache, number: int, steps: int) -> _Point:
    task_vectors = cache.fine_tuned(cache.clients, steps)
    merged: dict[str, Vector] = {}
    for cluster in _clusters(cache, number):
        merged |= dict.fromkeys(cluster, mean_of(cache, cluster, task_vectors))
    cost = METHODS["ft-merge"].cost(len(cache.clients)) * steps
    return _Point(FT_MERGED, f"steps {steps}, clusters {number}", cost, lambda client_id: merged[client_id])


def _central_points(cache: TrainingCache, name: str, number: int, all_steps: Sequence[int]) -> Iterator[_Point]:
    clusters = _clusters(cache, number)
    vectors = cache.pools([(cluster, steps) for steps in all_steps for cluster in clusters])
    for place, steps in enumerate(all_steps):
        models = vectors[place * len(clusters) : (place + 1) * len(clusters)]
        served = {client_id: model for cluster, model in zip(clusters, models, strict=True) for client_id in cluster}
        yield _Point(METHODS[name].title, f"steps {steps}, clusters {number}", steps, served.__getitem__)


def draw(result: Result, figure: Figure) -> None:
    """Steps of a removal, on a logarithmic axis, against score; a line joins the frontier."""
    figure.set_size_inches(figure.get_figwidth(), 3.1)
    axes = figure.subplots()
    *methods, frontier = result["series"]
    axes.step(frontier["x"], frontier["y"], where="post", label=_FRONTIER, zorder=1, **_RING)
    plot(axes, [{key: each[key] for key in ("name", "x", "y")} for each in methods], linestyle="")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("steps to unlearn one client")
    score_axis(axes, result)
    legend(figure, axes)


def found(result: Result) -> str:
    """Name the frontier, and the best of SIFT-Masks and of all others up to the most that its removal costs."""
    sift = (SIFT_MASKED, SIFT_PUBLISHED)
    points, judged = result["points"], held_against_paper(result)["name"]
    most = max(point["cost"] for point in points if point["method"] == judged)
    ours = max(point["score"] for point in points if point["method"] == judged)
    rivals = [point["score"] for point in points if point["method"] not in sift and point["cost"] <= most]
    told = "; ".join(
        f"{each['method']} ({each['knobs']}) {each['score']:.3f} for {each['cost']:,}" for each in result[_FRONTIER]
    )
    dearest = max(points, key=lambda point: point["cost"])
    return (
        f"{verdict(ours > max(rivals))}: of {len(points)} settings these score most for their steps a removal: {told}. "
        f"Up to {counted(most, 'step')} {judged} reaches {ours:.3f}, other methods {max(rivals):.3f}. The dearest, "
        f"{dearest['method']} ({dearest['knobs']}), has {dearest['score']:.3f} for {dearest['cost']:,}."
    )


_TITLE = "Score against the cost of a removal, over the methods' own knobs"
_PAPER_FOUND = (
    "SIFT-Masks improves on the trade-off of cost and accuracy: as cheap to unlearn as merging, and where clients "
    "differ as good as Central FT or better; masks that need the merged model cost several times Central FT "
    "(figures 1 and 6, section 4.2)."
)
_FAILS_IF = (
    "SIFT-Masks as published is not above all methods whose removal costs no more. Costs follow from what the "
    "methods are and cannot fail."
)
EXPERIMENT = Experiment(
    "frontier", Kind.QUESTION, _TITLE, _PAPER_FOUND, {"clients": 50}, measure, draw, found, _FAILS_IF
)
