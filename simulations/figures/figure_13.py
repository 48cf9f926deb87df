"""Figure 13: the merges without masks, with all clients merged."""

import numpy as np

from fedsift.core.task_vectors import Vector
from fedsift.studies.reproduction.experiment import SIMILAR, Experiment, Kind, Result, means, verdict
from fedsift.studies.reproduction.figure_style import Figure, bars, legend, reference
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MERGED,
    TIES_MERGED,
    ZERO_SHOT,
    compared_merge,
    mean_of,
    scores_of_clients,
    sift_merge,
)
from fedsift.studies.training_cache import TrainingCache

_MERGED = "merged"


def measure(cache: TrainingCache) -> Result:
    """Merge all clients, TIES with the hyper-parameters that validation clients choose."""
    clients = cache.clients
    tuned, magnitudes = cache.fine_tuned(clients), cache.sign_fixed(clients)
    ties = compared_merge("ties", cache, clients)
    merged = mean_of(cache, clients, tuned)
    sift = sift_merge(cache, cache.config, clients, magnitudes).merged()

    def served(client_id: str) -> dict[str, Vector | None]:
        own = ties.served(client_id)
        return {ZERO_SHOT: None, FT_MERGED: merged, TIES_MERGED: own, SIFT_MERGED: sift}

    scores = scores_of_clients(cache, clients, served)
    zero = float(np.mean(scores.pop(ZERO_SHOT)))
    series = [means(name, [_MERGED], [of_clients]) for name, of_clients in scores.items()]
    return {"series": series, "zero_shot": zero, "chosen": {TIES_MERGED: ties.chosen}}


def draw(result: Result, figure: Figure) -> None:
    """A bar each."""
    axes = figure.subplots()
    names = [each["name"] for each in result["series"]]
    bars(axes, [{**each, "x": [each["name"]]} for each in result["series"]], names)
    reference(axes, result["zero_shot"], ZERO_SHOT)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"mean {result['metric']}")
    legend(figure, axes)


def found(result: Result) -> str:
    """Hold the merges against each other."""
    scores = {each["name"]: each["y"][0] for each in result["series"]}
    told = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
    apart = max(scores.values()) - min(scores.values())
    return (
        f"{verdict(apart < SIMILAR)}: with {result['clients']:,} models merged and no masks, {told}; zero-shot "
        f"{result['zero_shot']:.3f}."
    )


_TITLE = f"Figure 13: {TIES_MERGED}, {FT_MERGED} and {SIFT_MERGED} with all clients merged"
_PAPER_FOUND = (
    "TIES and SIFT + Merge both reduce sign conflicts, which does not change the quality of the merged model much "
    "(figure 13, appendix C, 500 models)."
)
_FAILS_IF = f"the three merges are {SIMILAR} apart or more."
EXPERIMENT = Experiment("fig13", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
