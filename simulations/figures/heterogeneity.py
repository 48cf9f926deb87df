"""Clients that share more and more of their data: what masks gain, and what tells the gain beforehand.

At an overlap of p each client holds a share p of rows from one common client, which takes no part, instead of its own;
at 1 all hold the same rows. Which rows are replaced is drawn by client, and a client keeps those replaced as p grows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fedsift.core.examples import Row
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.task_vectors import Vector
from fedsift.data.loading import load_dataset
from fedsift.strategies.registry import METHODS
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, curves, series_of, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, panel_of, plot, score_axis
from fedsift.studies.reproduction.further_clients import further_clients
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    Request,
    Trainings,
    groups,
    held_against_paper,
    mean_of,
    scores_of,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

_OVERLAPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_PARTS = (4, 2, 1)  # the clients are merged in groups of T/4, T/2 and T
_CENTRAL_STEPS = (2, 10)  # of Central FT, as multiples of a client's: few, and enough for all rows
_CENTRAL = METHODS["central-ft"].title
_SCORE, _GAIN = "score", "gain"
_OVER = "over "
_OVER_MERGED = f"{_OVER}{FT_MERGED}"
_COSINE, _UNLIKE, _CANCELLED = "1 - mean cosine", "pairs of unlike sign", "1 - |sum| / sum |tau|"
_MEASURES = (_COSINE, _UNLIKE, _CANCELLED)


def measure(cache: TrainingCache) -> Result:
    """Train all clients at each overlap; merge them in groups of several sizes, and measure how much they differ."""
    _share_rows(cache)
    sizes = sorted({max(1, len(cache.clients) // part) for part in _PARTS})
    points, rows = [], []
    for overlap, central in zip(_OVERLAPS, _pooled(cache), strict=True):
        clients = [_at(client_id, overlap) for client_id in cache.clients]
        magnitudes, task_vectors = cache.sign_fixed(clients), cache.fine_tuned(clients)
        for size in sizes:
            dealt = [[_at(client_id, overlap) for client_id in group] for group in groups(cache, size)]
            rivals = central if size == len(clients) else {}
            requests = (each for group in dealt for each in _requests(cache, group, magnitudes, task_vectors, rivals))
            scores = scores_of(cache, requests, len(dealt) * size)
            if rivals:
                points.append(scores)
            own = float(np.mean(scores[SIFT_MASKED]))
            gains = {f"{_OVER}{name}": own - float(np.mean(scores[name])) for name in (FT_MERGED, *rivals)}
            differ = [_heterogeneity(group, task_vectors) for group in dealt]
            measures = {name: float(np.mean([each[name] for each in differ])) for name in _MEASURES}
            rows.append({"clients": size, "overlap": overlap, **gains, **measures})
    gains_of_all = [key for key in rows[-1] if key.startswith(_OVER)]
    correlations = {gain: {name: _correlation(rows, name, gain) for name in _MEASURES} for gain in gains_of_all}
    best = max(_MEASURES, key=lambda name: abs(correlations[_OVER_MERGED][name]))
    series = [{"panel": _SCORE, **each} for each in curves(_OVERLAPS, points)]
    for size in sizes:
        own_rows = [row for row in rows if row["clients"] == size]
        x, y = ([row[key] for row in own_rows] for key in (best, _OVER_MERGED))
        series.append({"panel": _GAIN, "name": f"{size} clients", "x": x, "y": y})
    return {"series": series, "rows": rows, "correlations": correlations, "best": best}


def _pooled(cache: TrainingCache) -> list[dict[str, Vector]]:
    """For each overlap, Central FT by title."""
    steps = [factor * cache.config.steps for factor in _CENTRAL_STEPS]
    clients = [[_at(client_id, overlap) for client_id in cache.clients] for overlap in _OVERLAPS]
    vectors = iter(cache.pools([(each, number) for each in clients for number in steps]))
    return [{f"{_CENTRAL}, {number} steps": next(vectors) for number in steps} for _ in _OVERLAPS]


def _at(client_id: str, overlap: float) -> str:
    return f"{client_id}, {overlap:.0%} shared"


def _share_rows(cache: TrainingCache) -> None:
    """Let the workers know each client at each overlap."""
    dataset = load_dataset(cache.config)
    (common,) = further_clients(cache, 1).values()
    added: dict[str, list[Row]] = {}
    for client_id in cache.clients:
        own = list(dataset.train_examples(client_id))
        order = random_order(derive_seed(cache.config.seed, "shared rows", client_id), len(own))
        for overlap in _OVERLAPS:
            rows = list(own)
            for place in order[: round(overlap * len(own))]:
                rows[place] = common[place % len(common)]
            added[_at(client_id, overlap)] = rows
    cache.add_clients(added)


def _requests(
    cache: TrainingCache,
    group: Sequence[str],
    magnitudes: Trainings,
    task_vectors: Trainings,
    rivals: Mapping[str, Vector],
) -> Iterator[Request]:
    sift, merged = sift_merges(cache, group, magnitudes), mean_of(cache, group, task_vectors)
    for client_id in group:
        yield client_id, {**sift.served(magnitudes(client_id)), FT_MERGED: merged, **rivals}


def _heterogeneity(clients: Sequence[str], task_vectors: Trainings) -> dict[str, float]:
    """How much the clients' task vectors differ, by several measures, each 0 for equal vectors."""
    size = len(task_vectors(clients[0]))
    total, units, signs = np.zeros(size), np.zeros(size), np.zeros(size)
    magnitude = 0.0
    for client_id in clients:
        vector = task_vectors(client_id).astype(np.float64)
        total += vector
        units += vector / (np.linalg.norm(vector) or 1.0)
        signs += np.sign(vector)
        magnitude += float(np.abs(vector).sum())
    pairs = max(1, len(clients) * (len(clients) - 1))
    return {
        _COSINE: 1 - float(units @ units - len(clients)) / pairs,
        _UNLIKE: (1 - float((signs**2).mean() - len(clients)) / pairs) / 2,
        _CANCELLED: 1 - float(np.abs(total).sum()) / (magnitude or 1.0),
    }


def _correlation(rows: Sequence[dict[str, Any]], measure: str, gain: str) -> float:
    """Pearson's, over the rows that have the gain; 0 where there is nothing to correlate."""
    pairs = np.array([(row[measure], row[gain]) for row in rows if gain in row])
    return float(np.corrcoef(pairs.T)[0, 1]) if len(pairs) > 1 and pairs.std(axis=0).all() else 0.0


def draw(result: Result, figure: Figure) -> None:
    """Scores over the overlap, and below them the gain over what tells it best."""
    figure.set_size_inches(figure.get_figwidth(), 4.6)
    top, bottom = figure.subplots(2, 1)
    scores, gains = (panel_of(result, panel) for panel in (_SCORE, _GAIN))
    plot(top, scores["series"])
    top.set_xlabel("rows taken from a common client")
    top.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    score_axis(top, scores)
    plot(bottom, gains["series"], linestyle="")
    bottom.set_xlabel(f"how task vectors differ: {result['best']}")
    bottom.set_ylabel(f"{SIFT_MASKED} {_OVER_MERGED}")
    bottom.legend(frameon=False)
    legend(figure, top)


def found(result: Result) -> str:
    """Hold no overlap against full overlap, and tell how well each measure goes with the gains."""
    correlations = result["correlations"]
    whole = [row for row in result["rows"] if all(gain in row for gain in correlations)]
    first, last = whole[0], whole[-1]

    def told(gain: str) -> str:
        settings = sum(gain in row for row in result["rows"])
        each = ", ".join(f"{name} {correlations[gain][name]:+.2f}" for name in _MEASURES)
        return f"{gain} in {settings} settings: {each}"

    gains = "; ".join(f"{gain} {first[gain]:+.3f} and {last[gain]:+.3f}" for gain in correlations)
    judged = held_against_paper(result)["y"]
    rivals = [series_of(result, gain.removeprefix(_OVER))["y"] for gain in list(correlations)[:2]]
    holds = all(judged[0] - rival[0] > judged[-1] - rival[-1] for rival in rivals)
    return (
        f"{verdict(holds)}: without shared rows, and with all shared, {SIFT_MASKED} gains {gains}. Correlation with "
        f"the gain {'; '.join(map(told, correlations))}."
    )


_TITLE = "What masks gain when clients share data"
_PAPER_FOUND = (
    "Merging is most helpful where data are heterogeneous: SIFT-Masks beats Central FT on Reddit, and cannot reach "
    "it on StackOverflow, whose clients are alike; on TOFU Central FT gets there, but slowly (section 4.2, figure "
    "6). No measure of heterogeneity is given."
)
_FAILS_IF = "a gain of SIFT-Masks as published is no larger without shared rows than with all shared."
EXPERIMENT = Experiment(
    "heterogeneity", Kind.QUESTION, _TITLE, _PAPER_FOUND, {"clients": 20}, measure, draw, found, _FAILS_IF
)
