"""Figure 6: what unlearning one client costs, against the score of what members are served."""

from collections.abc import Sequence

from fedsift.core.errors import counted
from fedsift.core.task_vectors import Vector
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, series_of, verdict
from fedsift.studies.reproduction.figure_style import COLUMN, Figure, legend, plot, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    TALL_MASKED,
    compared_merge,
    held_against_paper,
    note_published,
    scores_of_clients,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

_CENTRAL = METHODS["central-ft"].title
_CENTRAL_STEPS = (50, 100, 200, 400, 800)  # appendix B: up to 800; and before these, as many as a client has
_MERGES = ("ft-merge", "clustered-ft-merge", "ties", "tall-masks", "emr")


def measure(cache: TrainingCache) -> Result:
    """Merge all clients with each method, and train Central FT for several numbers of steps."""
    own_steps, clients = cache.config.steps, cache.clients
    magnitudes = cache.sign_fixed(clients)
    steps = [own_steps, *(number for number in _CENTRAL_STEPS if number > own_steps)]
    central = cache.pools([(clients, number) for number in steps])
    sift = sift_merges(cache, clients, magnitudes)
    costs = dict.fromkeys(sift, METHODS[SIFT_MASKS].cost(len(clients)) * own_steps)
    merges = {}
    for name in _MERGES:
        merge = compared_merge(name, cache, clients)
        merges[merge.title] = merge
        costs[merge.title] = METHODS[name].cost(len(clients)) * own_steps

    def served(client_id: str) -> dict[str, Vector]:
        by_steps = {str(number): vector for number, vector in zip(steps, central, strict=True)}
        by_method = {name: merge.served(client_id) for name, merge in merges.items()}
        return by_steps | sift.served(magnitudes(client_id)) | by_method

    scores = scores_of_clients(cache, clients, served)
    series = [means(_CENTRAL, steps, [scores[str(number)] for number in steps])]
    series += [means(name, [cost], [scores[name]]) for name, cost in costs.items()]
    return {"series": series, "chosen": {name: merge.chosen for name, merge in merges.items() if merge.chosen}}


def draw(result: Result, figure: Figure) -> None:
    """Steps of a removal, on a logarithmic axis, against score."""
    from matplotlib.ticker import LogLocator

    figure.set_size_inches(COLUMN, 2.9)
    axes = figure.subplots()
    plot(axes, result["series"])
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.set_xlabel("steps to unlearn one client")
    score_axis(axes, result)
    legend(figure, axes)


def _first_to_reach(score: float, steps: Sequence[int], scores: Sequence[float]) -> int | None:
    """The fewest steps with which a score is reached."""
    return next((number for number, each in zip(steps, scores, strict=True) if each >= score), None)


def found(result: Result) -> str:
    """Hold the score and the cost of SIFT-Masks against those of FT + Merge, Central FT and TALL-masks."""
    central, masked, merged, tall = (
        series_of(result, each) for each in (_CENTRAL, SIFT_MASKED, FT_MERGED, TALL_MASKED)
    )
    judged = held_against_paper(result)
    (score,), (cost,) = judged["y"], judged["x"]
    reached = _first_to_reach(score, central["x"], central["y"])
    rival = (
        f"{_CENTRAL} scores {score:.3f} from {counted(reached, 'step')} on"
        if reached
        else f"{_CENTRAL} has no more than {max(central['y']):.3f} in {counted(central['x'][-1], 'step')}"
    )
    holds = score > merged["y"][0] and (reached is None or reached > cost) and tall["x"][0] > cost
    return (
        f"{verdict(holds)}: for {counted(cost, 'step')} a removal, {SIFT_MASKED} scores "
        f"{masked['y'][0]:.3f}{note_published(result, f'{score:.3f}')} and {FT_MERGED} {merged['y'][0]:.3f}; {rival}; "
        f"{TALL_MASKED} has {tall['y'][0]:.3f} for {counted(tall['x'][0], 'step')}."
    )


_TITLE = "Figure 6: cost of unlearning one client against score"
_PAPER_FOUND = (
    "SIFT-Masks costs as little as FT + Merge, 20 steps, and improves on the trade-off of cost and accuracy that "
    "Central FT has over its number of steps; TALL-masks, EMR-merging and TIES train everybody else again, 9980 "
    "steps (figure 6, section 4.2)."
)
_FAILS_IF = (
    f"SIFT-Masks as published scores no more than {FT_MERGED}, or Central FT reaches its score in no more steps. "
    "What TALL-masks costs follows from its definition and cannot fail."
)
EXPERIMENT = Experiment("fig6", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
