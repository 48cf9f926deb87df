"""Figure 3: the score against the number of models merged."""

from collections.abc import Iterator, Sequence

from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, curves, series_of, verdict
from fedsift.studies.reproduction.figure_style import COLUMN, Figure, counts, legend, plot, reference, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    ZERO_SHOT,
    Request,
    held_against_paper,
    mean_of,
    note_published,
    numbers_merged,
    scores_of_groups,
    sift_merges,
    zero_shot,
)
from fedsift.studies.training_cache import TrainingCache


def measure(cache: TrainingCache) -> Result:
    """Merge groups of 1, 2, 5, ... clients, and all."""
    tuned, magnitudes = cache.fine_tuned(cache.clients), cache.sign_fixed(cache.clients)

    def served(group: Sequence[str]) -> Iterator[Request]:
        merged, sift = mean_of(cache, group, tuned), sift_merges(cache, group, magnitudes)
        for client_id in group:
            yield client_id, {FT_MERGED: merged, **sift.served(magnitudes(client_id))}

    numbers = numbers_merged(len(cache.clients))
    points = [scores_of_groups(cache, number, served) for number in numbers]
    return {"series": curves(numbers, points), "zero_shot": zero_shot(cache)}


def draw(result: Result, figure: Figure) -> None:
    """FT + Merge on the left, SIFT-Masks on the right, over the number merged."""
    figure.set_size_inches(2 * COLUMN, 2.5)
    left, right = figure.subplots(1, 2, sharey=True)
    series = result["series"]
    plot(left, series[:1])
    plot(right, series[1:])
    for axes in (left, right):
        counts(axes, series[0]["x"])
        axes.set_xlabel("models merged")
        reference(axes, result["zero_shot"], ZERO_SHOT)
    score_axis(left, result)
    legend(figure, [left, right], columns=4)


def found(result: Result) -> str:
    """Hold what FT + Merge loses from one model to all against what SIFT-Masks loses."""
    merged, masked = (series_of(result, name)["y"] for name in (FT_MERGED, SIFT_MASKED))
    kept = held_against_paper(result)["y"]
    holds = merged[0] > merged[-1] and kept[0] - kept[-1] < merged[0] - merged[-1] and kept[-1] > merged[-1]
    return (
        f"{verdict(holds)}: from 1 to {result['series'][0]['x'][-1]:,} models merged, {FT_MERGED} goes from "
        f"{merged[0]:.3f} to {merged[-1]:.3f} (zero-shot {result['zero_shot']:.3f}) and {SIFT_MASKED} from "
        f"{masked[0]:.3f} to {masked[-1]:.3f}{note_published(result, f'{kept[-1]:.3f}')}."
    )


_TITLE = "Figure 3: score against the number of models merged"
_PAPER_FOUND = (
    "FT + Merge gets worse with every model merged, on TOFU down to zero-shot at 200; SIFT-Masks suffers much less "
    "from scale and keeps 99% there (figure 3, section 4.1)."
)
_FAILS_IF = f"{FT_MERGED} does not fall, or SIFT-Masks as published falls by as much, or ends below it."
EXPERIMENT = Experiment("fig3", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
