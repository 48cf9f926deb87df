"""Bits of a magnitude: what is served, what is uploaded, what entropy coding would save, and how much is kept.

Entropy coded: by an ideal coder that knows each tensor's shares of 0, 1, 2, ... (order 0). From some 12 bits on it
would know most entries one by one, so that no real coder comes near.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import Contribution, quantise
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.quantisation import highest_level
from fedsift.core.task_vectors import Vector
from fedsift.core.upload import Upload
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, curves, series_of
from fedsift.studies.reproduction.figure_style import Figure, legend, panel_of, plot, score_axis
from fedsift.studies.reproduction.merges import SiftMerge, scores_of_clients
from fedsift.studies.training_cache import TrainingCache

_BITS = (1, 2, 3, 4, 8, 16)
_PAPER, _COORDINATE, _OWN = "served, S / |T|", "served, S / C", "own, not merged"
_SCORE, _BYTES, _KEPT = "score", "bytes uploaded a parameter", "share of entries kept"
_CODED = "entropy coded"


def measure(cache: TrainingCache) -> Result:
    """Quantise and merge the same trainings with each number of bits."""
    magnitudes = cache.sign_fixed(cache.clients)
    scores, sizes = [], []
    for bits in _BITS:
        config = dataclasses.replace(cache.config, levels=highest_level(bits))
        merges = {
            name: SiftMerge(cache, dataclasses.replace(config, localise=localise), len(cache.clients))
            for name, localise in ((_PAPER, "paper"), (_COORDINATE, "coordinate"))
        }
        of_clients = []
        for client_id in cache.clients:
            upload = quantise(magnitudes(client_id), merges[_PAPER].terms).contribution
            for merge in merges.values():
                merge.sums.add(Upload(upload))
            of_clients.append((len(upload.to_bytes()), entropy_bytes(upload, cache.layout), upload.nonzero))
        sizes.append(np.mean(of_clients, axis=0) / cache.size)

        def served(client_id: str, merges: Mapping[str, SiftMerge] = merges) -> dict[str, Vector]:
            """By merges of the same terms, under their names, and its own model as quantised."""
            quantised = quantise(magnitudes(client_id), merges[_PAPER].terms)
            by_merge = {name: merge.served_quantised(quantised) for name, merge in merges.items()}
            return {**by_merge, _OWN: merges[_PAPER].own(quantised)}

        scores.append(scores_of_clients(cache, cache.clients, served))
    series = [{"panel": _SCORE, **each} for each in curves(_BITS, scores)]
    for panel, name, y in zip((_BYTES, _BYTES, _KEPT), (_BYTES, _CODED, _KEPT), zip(*sizes, strict=True), strict=True):
        series.append({"panel": panel, "name": name, "x": list(_BITS), "y": [float(each) for each in y]})
    return {"series": series}


def entropy_bytes(contribution: Contribution, layout: ParameterLayout) -> float:
    """Bytes that the ideal coder takes for the levels, 0 included; it knows the shares of each tensor."""
    levels = contribution.levels()
    tensors = zip(layout.offsets, layout.sizes, strict=True)
    return sum(_entropy(levels[offset : offset + size]) for offset, size in tensors) / 8


def _entropy(levels: NDArray[np.integer]) -> float:
    """In bits: n log2 n - sum of c log2 c over how often each level is there."""
    counts = np.unique(levels, return_counts=True)[1].astype(np.float64)
    return float(len(levels) * np.log2(len(levels)) - (counts * np.log2(counts)).sum())


def draw(result: Result, figure: Figure) -> None:
    """Scores, bytes and kept entries, one below the other."""
    figure.set_size_inches(figure.get_figwidth(), 4.4)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    for axes, panel in zip(panels, (_SCORE, _BYTES, _KEPT), strict=True):
        shown = panel_of(result, panel)
        plot(axes, shown["series"])
        if panel == _SCORE:
            score_axis(axes, shown)
            legend(figure, axes)
        else:
            axes.set_title(panel)
            axes.set_ylim(0)
            if panel == _BYTES:
                axes.legend(frameon=False)
    panels[-1].set_xscale("log", base=2)
    panels[-1].set_xticks(list(_BITS), [str(bits) for bits in _BITS])
    panels[-1].minorticks_off()
    panels[-1].set_xlabel("bits a magnitude")


def found(result: Result) -> str:
    """Tell the best number of bits for each way of serving, and hold the coarse ones against the finest."""

    def at(name: str, bits: int) -> float:
        series = series_of(result, name)
        return float(series["y"][series["x"].index(bits)])

    def told(name: str) -> str:
        y = series_of(result, name)["y"]
        best = f"{_BITS[int(np.argmax(y))]} ({max(y):.3f})"
        return f"{at(name, 2):.3f} at 2 bits and {at(name, 16):.3f} at 16, most at {best}"

    return (
        f"Served S / C, clients score {told(_COORDINATE)}; served S / |T|, {told(_PAPER)}. An upload has "
        f"{at(_BYTES, 2):.2f} bytes a parameter at 2 bits and {at(_BYTES, 16):.2f} at 16 (dense float32: 4), entropy "
        f"coded {at(_CODED, 2):.2f} and {at(_CODED, 16):.2f}, and keeps {at(_KEPT, 2):.1%} and {at(_KEPT, 16):.1%} of "
        "the entries."
    )


_TITLE = "Bits of a magnitude"
_PAPER_FOUND = (
    "The paper merges float weights and quantises nothing; how coarse the magnitudes may be, and what an upload "
    "takes, is left open."
)
EXPERIMENT = Experiment("bits", Kind.QUANTISATION, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found)
