"""What the sums add to a member's own mask: served from less and less of what other members sent.

An answer to the paper's call for localisation with limited information from other clients: all of these keep the cost
of a removal at one client's training, since a mask never depends on the sums.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.localisation import Localisation
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.quantisation import QuantisationGrid, highest_level
from fedsift.core.running_sums import RunningSums
from fedsift.core.task_vectors import Vector
from fedsift.core.upload import Upload
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, series_of
from fedsift.studies.reproduction.figure_style import Figure, dots, legend
from fedsift.studies.reproduction.merges import Trainings, scores_of_clients
from fedsift.studies.training_cache import TrainingCache

_BITS = (2, 16)
_ONE, _TENSOR = "mask, one constant", "mask, a constant a tensor"
_MEAN, _COUNT, _OTHERS, _OWN = "S / |T|", "S / C", "S / C of the others", "its own model"
_SOURCES = (_ONE, _TENSOR, _MEAN, _OTHERS, _COUNT, _OWN)


def measure(cache: TrainingCache) -> Result:
    """Score all clients with each source of magnitudes, under their own masks."""
    magnitudes = cache.sign_fixed(cache.clients)
    series = []
    for bits in _BITS:
        grid = dataclasses.replace(cache.config, levels=highest_level(bits)).grid
        scores = scores_of_clients(cache, cache.clients, _served_by_sums(cache, grid, magnitudes))
        series.append(means(f"{bits} bits", _SOURCES, [scores[source] for source in _SOURCES]))
    return {"series": series}


def _served_by_sums(
    cache: TrainingCache, grid: QuantisationGrid, magnitudes: Trainings
) -> Callable[[str], dict[str, Vector]]:
    """The way to what a client is served, by source."""
    terms = UploadTerms(cache.layout.digest, cache.size, cache.config.sign_seed, grid)
    sums, members = RunningSums(terms, len(cache.clients)), len(cache.clients)
    for client_id in cache.clients:
        sums.add(Upload(quantise(magnitudes(client_id), terms).contribution))

    def served(client_id: str) -> dict[str, Vector]:
        found = _served(grid.quantise(magnitudes(client_id)), sums, grid.step, members, cache.layout)
        return {source: each * cache.signs for source, each in found.items()}

    return served


def _served(
    levels: NDArray[Any], sums: RunningSums, step: float, members: int, layout: ParameterLayout
) -> dict[str, Vector]:
    """Magnitudes by source, each of shape (n,) and zero outside the mask of the client's `levels`."""
    mask = levels > 0
    own = (levels * step).astype(np.float32)
    level_sum, count = sums.level_sum[mask].astype(np.int64), sums.mask_count[mask].astype(np.int64)
    by_count = Localisation("coordinate").magnitudes
    kept = {
        _MEAN: Localisation("paper").magnitudes(level_sum, count, step, members),
        _COUNT: by_count(level_sum, count, step, members),
        # Where nobody else moved an entry there is nothing to serve.
        _OTHERS: by_count(level_sum - levels[mask], np.maximum(count - 1, 1), step, members),
    }
    served = {source: np.zeros_like(own) for source in kept}
    for source, each in kept.items():
        served[source][mask] = each
    by_tensor = np.zeros_like(own)
    for offset, size in zip(layout.offsets, layout.sizes, strict=True):
        tensor = slice(offset, offset + size)
        by_tensor[tensor] = _constant(own[tensor])
    return {**served, _ONE: _constant(own), _TENSOR: by_tensor, _OWN: own}


def _constant(own: Vector) -> Vector:
    """The mean of the magnitudes above zero, in their places."""
    mask = own > 0
    return np.where(mask, np.float32(own.sum() / max(1, np.count_nonzero(mask))), np.float32(0))


def draw(result: Result, figure: Figure) -> None:
    """Sources one below the other, over the score."""
    axes = figure.subplots()
    dots(axes, result["series"], _SOURCES)
    axes.set_xlabel(f"mean {result['metric']}")
    legend(figure, axes)


def found(result: Result) -> str:
    """Tell what each step from the mask alone to the sums adds."""

    def told(bits: int) -> str:
        series = series_of(result, f"{bits} bits")
        score = dict(zip(series["x"], series["y"], strict=True))
        return (
            f"at {bits} bits a client's mask with one constant of its own scores {score[_ONE]:.3f}, with one a tensor "
            f"{score[_TENSOR]:.3f}, with S / |T| {score[_MEAN]:.3f}, with S / C of the others {score[_OTHERS]:.3f} and "
            f"with S / C {score[_COUNT]:.3f}, its own model {score[_OWN]:.3f}: S / C adds "
            f"{score[_COUNT] - score[_TENSOR]:+.3f} to what a number a tensor tells"
        )

    sentence = "; ".join(map(told, _BITS))
    return f"{sentence[0].upper()}{sentence[1:]}."


_TITLE = "What the sums add to a member's own mask"
_PAPER_FOUND = (
    "Masks that are made from local data alone keep a removal cheap, masks that use the merged model make it "
    "expensive; how much a member gains from the sums under its mask, and from limited information of other "
    "clients, is left open (sections 3 and 5)."
)
EXPERIMENT = Experiment("sums", Kind.QUESTION, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found)
