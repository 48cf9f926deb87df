"""What is published tells of who left, and of who stays (docs/explanation/privacy.md).

Whoever sees the merged model and the shared head's sums before and after a removal has the difference: the sum over
those who left. The same numbers are had by members that collude: what is published, less their own contributions, is
the sum over all others, without anybody leaving. So a batch of k that leaves stands for k members that all others
collude against, too. From the difference an observer makes a model and a head; what these say of the rows behind it,
beside what they say of other people's, is what was learnt.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import quantise
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.publication import publication_noise, sensitivity
from fedsift.core.seeds import derive_seed
from fedsift.core.task_vectors import Vector
from fedsift.core.upload import Upload
from fedsift.data.loading import load_dataset
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, series_of
from fedsift.studies.reproduction.figure_style import Figure, legend, plot, score_axis
from fedsift.studies.reproduction.further_clients import further_clients
from fedsift.studies.reproduction.merges import SiftMerge
from fedsift.studies.training_cache import TrainingCache

_BATCHES = (1, 5, 20)
_NOISES = (0.0, 0.01, 0.1, 1.0)  # multiples of the sensitivity
_OUTSIDERS = 20
_BEFORE, _MODEL, _HEAD = "merged model, before", "model of the difference", "head of the difference"
_OTHERS = ", on others' rows"


class _Published(NamedTuple):
    """What an observer has of a removal."""

    before: Vector  # the merged model's task vector
    difference: Vector  # the mean task vector of those who left, as far as it can be told


def measure(cache: TrainingCache) -> Result:
    """Merge all clients, remove batches of them, and score what the differences say, under several sizes of noise.

    Raises:
        BadInput: there are fewer than two clients, the data have no further ones, or the task has no shared head.
    """
    if len(cache.clients) < 2:
        raise BadInput("clients = 1: somebody has to stay when others leave; give two or more")
    further = further_clients(cache, _OUTSIDERS)
    cache.add_clients(further)
    order = sorted(cache.clients, key=lambda each: derive_seed(cache.config.seed, "published", each))
    batches = [order[:size] for size in _BATCHES if size < len(order)]
    rows: list[dict[str, Any]] = []
    points: dict[str, list[dict[str, list[float]]]] = {}
    heads = _heads(cache, batches, [*further])
    data = load_dataset(cache.config)
    held_in = {**further, **{each: data.train_examples(each) for each in batches[-1]}}
    sums = [_sums(cache, leavers) for leavers in batches]
    for noise in _NOISES:
        for leavers, of_head, around in zip(batches, heads, sums, strict=True):
            scores = _scores(cache, _published(cache, leavers, around, noise), held_in, leavers, [*further])
            if not noise:  # The sums of the head are published as they are, or not at all.
                scores |= of_head
            points.setdefault(_panel(noise), []).append(scores)
            told = {name: float(np.mean(values)) for name, values in scores.items()}
            rows.append({"noise": noise, "leave": len(leavers), **told})
    sizes = [len(leavers) for leavers in batches]
    series = [
        {"panel": panel, **means(name, sizes, [scores[name] for scores in at])}
        for panel, at in points.items()
        for name in at[0]
    ]
    return {"series": series, "rows": rows}


def _panel(noise: float) -> str:
    return f"noise {noise:g}" if noise else "no noise"


def _sums(cache: TrainingCache, leavers: Sequence[str]) -> list[NDArray[np.float64]]:
    """S of all clients, and without those who leave; shape (n,) each."""
    magnitudes = cache.sign_fixed(cache.clients)
    merge = SiftMerge(cache, cache.config, len(cache.clients))
    for client_id in cache.clients:
        merge.add(magnitudes(client_id))
    before = merge.sums.sums.level_sum.astype(np.float64)
    for client_id in leavers:
        merge.sums.subtract(Upload(quantise(magnitudes(client_id), merge.terms).contribution))
    return [before, merge.sums.sums.level_sum.astype(np.float64)]


def _published(
    cache: TrainingCache, leavers: Sequence[str], sums: Sequence[NDArray[np.float64]], noise: float
) -> _Published:
    """The merged model before and after, each with noise of its own, and what their difference comes to."""
    grid, told = cache.config.grid, list(sums)
    if deviation := noise * sensitivity(grid.levels, cache.size):
        for number, each in enumerate(sums):
            secret = derive_seed(cache.config.seed, "publication", f"{number} of {len(leavers)}").to_bytes(8, "big")
            told[number] = each + publication_noise(secret, bytes(32), deviation)(0, cache.size)
    before, difference = told[0] * grid.step / len(cache.clients), (told[0] - told[1]) * grid.step / len(leavers)
    return _Published(*((each * cache.signs).astype(np.float32) for each in (before, difference)))


def _scores(
    cache: TrainingCache,
    published: _Published,
    held_in: Mapping[str, Sequence[Row]],
    leavers: Sequence[str],
    others: Sequence[str],
) -> dict[str, list[float]]:
    """Answer probabilities of the rows that clients tuned on, or would have, a mean for each client."""
    vectors = {_BEFORE: published.before, _MODEL: published.difference}
    asked = {
        f"{name}{told}\n{client_id}": (name + told, vector, held_in[client_id])
        for name, vector in vectors.items()
        for told, clients in (("", leavers), (_OTHERS, others))
        for client_id in clients
    }
    losses = cache.example_losses(((key, vector, rows) for key, (_, vector, rows) in asked.items()), len(asked))
    scores: dict[str, list[float]] = {}
    for key, (name, _, _) in asked.items():
        scores.setdefault(name, []).append(float(np.exp(-losses[key]).mean()))
    return scores


def _heads(
    cache: TrainingCache, batches: Sequence[Sequence[str]], others: Sequence[str]
) -> list[dict[str, list[float]]]:
    """For each batch, what a head of the difference scores: a score for each client."""
    own = cache.decisions(batches[-1])
    found = []
    for leavers in batches:
        scores = cache.head_scores([*leavers, *others], [own[each] for each in leavers])
        of_whom = (("", leavers), (_OTHERS, others))
        found.append({_HEAD + told: [scores[each] for each in clients] for told, clients in of_whom})
    return found


def draw(result: Result, figure: Figure) -> None:
    """Scores over the size of the batch, without noise."""
    axes = figure.subplots()
    plot(axes, [each for each in result["series"] if each["panel"] == _panel(0)])
    axes.set_xscale("log")
    axes.set_xlabel("members that leave at once, or that all others collude against")
    score_axis(axes, result)
    legend(figure, [axes], columns=2)


def found(result: Result) -> str:
    """Tell what a lone leaver and the largest batch give away, and a table with noise."""
    exact, head = (series_of(result, name, _panel(0)) for name in (_MODEL, _HEAD))
    names = list(result["rows"][0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in result["rows"]]
    return (
        f"Of a lone leaver the difference is its own model: {exact['y'][0]:.3f} on its rows; of {exact['x'][-1]} that "
        f"leave at once their mean: {exact['y'][-1]:.3f}. A head made of the difference says {head['y'][0]:.3f} and "
        f"{head['y'][-1]:.3f}.\n\n"
    ) + "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:g}" if value in _NOISES or isinstance(value, int) else f"{value:.3f}"


_TITLE = "What is published tells of who left"
_PAPER_FOUND = "The paper does not ask."
EXPERIMENT = Experiment("published", Kind.QUESTION, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found)
