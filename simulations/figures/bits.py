"""Bits of a magnitude: what is served, what is uploaded, and how many entries are kept."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.quantisation import highest_level
from fedsift.studies.reproduction.drawing import legend, plot, score_axis
from fedsift.studies.reproduction.experiment import Experiment, Result, curves, series_of
from fedsift.studies.reproduction.merges import Request, SiftMerge, Trainings, scores_of
from fedsift.studies.training_cache import TrainingCache

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BITS = (1, 2, 3, 4, 8, 16)
_PAPER, _COORDINATE, _OWN = "served, S / |T|", "served, S / C", "own, not merged"
_SCORE, _BYTES, _KEPT = "score", "bytes uploaded a parameter", "share of entries kept"


def measure(cache: TrainingCache) -> Result:
    """Quantise and merge the same trainings with each number of bits."""
    magnitudes = cache.sign_fixed(cache.clients)
    scores, uploaded, kept = [], [], []
    for bits in _BITS:
        config = dataclasses.replace(cache.config, levels=highest_level(bits))
        merges = {
            name: SiftMerge(cache, dataclasses.replace(config, localise=localise), len(cache.clients))
            for name, localise in ((_PAPER, "paper"), (_COORDINATE, "coordinate"))
        }
        terms = merges[_PAPER].terms
        sizes = []
        for client_id in cache.clients:
            upload = quantise(magnitudes(client_id), terms).contribution
            for merge in merges.values():
                merge.add_contribution(upload)
            sizes.append((len(upload.to_bytes()), upload.nonzero))
        scores.append(scores_of(cache, requests(cache, terms, merges, magnitudes), len(cache.clients)))
        upload_bytes, nonzero = np.mean(sizes, axis=0)
        uploaded.append(float(upload_bytes) / cache.size)
        kept.append(float(nonzero) / cache.size)
    series = [{"panel": _SCORE, **each} for each in curves(_BITS, scores)]
    series += [
        {"panel": name, "name": name, "x": list(_BITS), "y": y} for name, y in ((_BYTES, uploaded), (_KEPT, kept))
    ]
    return {"series": series}


def requests(
    cache: TrainingCache, terms: UploadTerms, merges: Mapping[str, SiftMerge], magnitudes: Trainings
) -> Iterator[Request]:
    """What each client is served by merges of the same terms, under their names, and its own model as quantised."""
    for client_id in cache.clients:
        quantised = quantise(magnitudes(client_id), terms)
        own = (quantised.contribution.levels() * terms.grid.step).astype(np.float32) * cache.signs
        yield client_id, {**{name: merge.served_quantised(quantised) for name, merge in merges.items()}, _OWN: own}


def draw(result: Result, figure: "Figure") -> None:
    """Scores, bytes and kept entries, one below the other."""
    figure.set_size_inches(figure.get_figwidth(), 4.4)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    for axes, panel in zip(panels, (_SCORE, _BYTES, _KEPT), strict=True):
        series = [each for each in result["series"] if each["panel"] == panel]
        plot(axes, series)
        if panel == _SCORE:
            score_axis(axes, {**result, "series": series})
            legend(figure, axes)
        else:
            axes.set_title(panel)
            axes.set_ylim(0)
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
        return (
            f"{at(name, 2):.3f} at 2 bits and {at(name, 16):.3f} at 16, most at {_BITS[int(np.argmax(y))]} "
            f"({max(y):.3f})"
        )

    return (
        f"Served S / C, clients score {told(_COORDINATE)}; served S / |T|, {told(_PAPER)}. An upload has "
        f"{at(_BYTES, 2):.2f} bytes a parameter at 2 bits and {at(_BYTES, 16):.2f} at 16 (dense float32: 4), and keeps "
        f"{at(_KEPT, 2):.1%} and {at(_KEPT, 16):.1%} of the entries."
    )


EXPERIMENT = Experiment(
    name="bits",
    title="Bits of a magnitude",
    paper_found=(
        "The paper merges float weights and quantises nothing; how coarse the magnitudes may be, and what an upload "
        "takes, is left open."
    ),
    defaults={"clients": 100},
    measure=measure,
    draw=draw,
    found=found,
)
