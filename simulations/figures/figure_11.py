"""Figure 11: TIES and FT + Merge against the number of models merged."""

from collections.abc import Iterator, Sequence

from fedsift.strategies.ties import DENSITY
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, curves, series_of, verdict
from fedsift.studies.reproduction.figure_style import Figure, counts, legend, plot, reference, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    TIES_MERGED,
    ZERO_SHOT,
    Request,
    mean_of,
    numbers_merged,
    scores_of_groups,
    ties_of,
    zero_shot,
)
from fedsift.studies.training_cache import TrainingCache


def measure(cache: TrainingCache) -> Result:
    """Merge groups of 1, 2, 5, ... clients, and all."""
    tuned = cache.fine_tuned(cache.clients)

    def served(group: Sequence[str]) -> Iterator[Request]:
        merged, ties = mean_of(cache, group, tuned), ties_of(cache, group, tuned, DENSITY)
        yield from ((client_id, {FT_MERGED: merged, TIES_MERGED: ties}) for client_id in group)

    numbers = numbers_merged(len(cache.clients))
    points = [scores_of_groups(cache, number, served) for number in numbers]
    return {"series": curves(numbers, points), "zero_shot": zero_shot(cache)}


def draw(result: Result, figure: Figure) -> None:
    """Lines over the number merged."""
    axes = figure.subplots()
    plot(axes, result["series"])
    counts(axes, result["series"][0]["x"])
    axes.set_xlabel("models merged")
    score_axis(axes, result)
    reference(axes, result["zero_shot"], ZERO_SHOT)
    legend(figure, axes)


def found(result: Result) -> str:
    """Hold TIES' share of the score of FT + Merge with all models merged against that with one."""
    merged, ties = series_of(result, FT_MERGED), series_of(result, TIES_MERGED)
    shares = [each / other if other else 1.0 for each, other in zip(ties["y"], merged["y"], strict=True)]
    one, most = (f"{ties['y'][place]:.3f} against {merged['y'][place]:.3f} ({shares[place]:.0%})" for place in (0, -1))
    return (
        f"{verdict(shares[-1] < shares[0])}: {TIES_MERGED} against {FT_MERGED} scores {one} with 1 model and {most} "
        f"with {ties['x'][-1]:,} merged; zero-shot {result['zero_shot']:.3f}."
    )


_TITLE = f"Figure 11: {TIES_MERGED} against {FT_MERGED} over the number of models merged"
_PAPER_FOUND = (
    "Scale can harm TIES more than FT + Merge (figure 11, appendix C). Here TIES keeps 20% of the entries, its "
    "authors' value, and its scale is 1, as appendix B rescales no merge."
)
_FAILS_IF = f"{TIES_MERGED} keeps as large a share of the score of {FT_MERGED} with all models merged as with one."
EXPERIMENT = Experiment("fig11", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
