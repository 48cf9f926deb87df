"""Figure 10: what is stored, against what a removal costs (left, by formula) and against scores (right).

Clusters of Central FT and of FT + Merge are random, of equal size, each with a model of its own.
"""

from collections.abc import Iterator
from typing import Any

from fedsift.core.errors import counted
from fedsift.core.seeds import derive_seed
from fedsift.data.partition import partition_iid
from fedsift.protocol.method import others_of_shard
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, series_of, verdict
from fedsift.studies.reproduction.figure_style import Figure, counts, legend, panel_of, plot, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    TALL_MASKED,
    Request,
    Trainings,
    held_against_paper,
    mean_of,
    note_published,
    numbers_merged,
    scores_of,
    scores_of_clients,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

_COST, _SCORE = "cost", "score"
_CENTRAL = METHODS["central-ft"].title


def measure(cache: TrainingCache) -> Result:
    """Take costs from the formulas; merge clusters of all sizes, and score them."""
    clients = cache.clients
    numbers = numbers_merged(len(clients))
    magnitudes, task_vectors = cache.sign_fixed(clients), cache.fine_tuned(clients)
    sift = sift_merges(cache, clients, magnitudes)
    masked = scores_of_clients(cache, clients, lambda client_id: sift.served(magnitudes(client_id)))
    clustered = [scores_of(cache, _clustered(cache, number, task_vectors), len(clients)) for number in numbers]
    own = _models_stored(SIFT_MASKS, cache)
    scored = [means(FT_MERGED, numbers, [each[FT_MERGED] for each in clustered])]
    scored += [means(name, [own], [masked[name]]) for name in sift]
    return {"series": [*_costs(cache, numbers), *({"panel": _SCORE, **each} for each in scored)]}


def _costs(cache: TrainingCache, numbers: list[int]) -> Iterator[dict[str, Any]]:
    """Client trainings of one removal: clusters of Central FT, and one point for each method with masks."""
    clients = len(cache.clients)
    central = [others_of_shard(number)(clients) for number in numbers]
    yield {"panel": _COST, "name": _CENTRAL, "x": numbers, "y": central}
    for name in (SIFT_MASKS, "tall-masks"):
        method = METHODS[name]
        yield {"panel": _COST, "name": method.title, "x": [_models_stored(name, cache)], "y": [method.cost(clients)]}


def _models_stored(name: str, cache: TrainingCache) -> float:
    """Storage of a method, in models of 4 bytes a parameter."""
    own, model = (METHODS[each].storage(cache.size, len(cache.clients)) for each in (name, "ft-merge"))
    return own / model


def _clustered(cache: TrainingCache, number: int, task_vectors: Trainings) -> Iterator[Request]:
    """Each client with the mean of its cluster."""
    seed = derive_seed(cache.config.seed, "clusters", str(number))
    for places in partition_iid(len(cache.clients), number, seed).values():
        cluster = [cache.clients[place] for place in places]
        merged = mean_of(cache, cluster, task_vectors)
        yield from ((client_id, {FT_MERGED: merged}) for client_id in cluster)


def draw(result: Result, figure: Figure) -> None:
    """Cost beside score, over storage on logarithmic axes."""
    figure.set_size_inches(figure.get_figwidth(), 2.7)
    left, right = figure.subplots(1, 2)
    for axes, panel in ((left, _COST), (right, _SCORE)):
        plot(axes, panel_of(result, panel)["series"])
        counts(axes, [number for number in (1, 10, 100) if number <= result["clients"]])
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:,.0f}")
    left.set_ylabel("client trainings, one removal")
    score_axis(right, panel_of(result, _SCORE))
    figure.supxlabel("models stored (lines: one a cluster)", fontsize="medium")
    legend(figure, (left, right))


def found(result: Result) -> str:
    """Look at what clusters reach with the storage of SIFT-Masks, and what they need to reach its score."""
    central, clusters = series_of(result, _CENTRAL), series_of(result, FT_MERGED)
    ours, tall, scored = (
        series_of(result, *each) for each in ((SIFT_MASKED, _COST), (TALL_MASKED, _COST), (SIFT_MASKED, _SCORE))
    )
    judged = held_against_paper(panel_of(result, _SCORE))
    storage, cost, score = ours["x"][0], ours["y"][0], judged["y"][0]
    trainings = [each for number, each in zip(central["x"], central["y"], strict=True) if number <= storage]
    scores = [each for number, each in zip(clusters["x"], clusters["y"], strict=True) if number <= storage]
    enough = next((number for number, each in zip(clusters["x"], clusters["y"], strict=True) if each >= score), None)
    reached = (
        f"it takes {counted(enough, 'cluster')} to score as high" if enough else "no number of clusters scores as high"
    )
    return (
        f"{verdict(min(trainings) > cost and max(scores) < score)}: {SIFT_MASKED} stores {storage:.1f} models, trains "
        f"{cost:,} client again for a removal ({TALL_MASKED} {tall['y'][0]:,}) and scores {scored['y'][0]:.3f}"
        f"{note_published(result, f'{score:.3f}')}. In no more storage, clusters bring {_CENTRAL} down to "
        f"{counted(min(trainings), 'training')} and {FT_MERGED} up to {max(scores):.3f}; {reached}."
    )


_TITLE = "Figure 10: storage against the cost of a removal, and against score"
_PAPER_FOUND = (
    "Clusters of Central FT reduce what a removal costs, but it stays several times that of SIFT-Masks; clusters "
    "of FT + Merge barely gain accuracy, and can store more than SIFT-Masks (17 models for 500 clients) and still "
    "score less (section 4.4, figure 10)."
)
_FAILS_IF = (
    "some number of clusters scores as much as SIFT-Masks as published in no more storage. Client trainings "
    "follow from what the methods are and cannot fail."
)
EXPERIMENT = Experiment("fig10", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
