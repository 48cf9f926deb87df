"""Figure 7: the score against the number of steps that clients tune for."""

import dataclasses

from fedsift.core.task_vectors import Vector
from fedsift.studies.reproduction.experiment import SIMILAR, Experiment, Kind, Result, curves, series_of, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, plot, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    SIFT_MERGED,
    held_against_paper,
    mean_of,
    note_published,
    scores_of_clients,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

_STEPS = (5, 10, 15, 20, 25, 30)


def measure(cache: TrainingCache) -> Result:
    """Tune and merge all clients for each number of steps."""
    return {"series": curves(_STEPS, [_scores(cache, steps) for steps in _STEPS])}


def _scores(cache: TrainingCache, steps: int) -> dict[str, list[float]]:
    clients = cache.clients
    tuned, magnitudes = cache.fine_tuned(clients, steps), cache.sign_fixed(clients, steps)
    # The highest level of the grid follows the steps.
    sift = sift_merges(cache, clients, magnitudes, dataclasses.replace(cache.config, steps=steps))
    ft_merged, sift_merged = mean_of(cache, clients, tuned), sift[SIFT_MASKED].merged()

    def served(client_id: str) -> dict[str, Vector]:
        return {FT_MERGED: ft_merged, SIFT_MERGED: sift_merged, **sift.served(magnitudes(client_id))}

    return scores_of_clients(cache, clients, served)


def draw(result: Result, figure: Figure) -> None:
    """Lines over the steps."""
    axes = figure.subplots()
    plot(axes, result["series"])
    axes.set_xticks(_STEPS)
    axes.set_xlabel("steps a client")
    score_axis(axes, result)
    legend(figure, axes)


def found(result: Result) -> str:
    """Hold 10 steps against 20, and SIFT-Masks against FT + Merge at each number."""
    ten, twenty = _STEPS.index(10), _STEPS.index(20)
    masked, merged, unmasked = (series_of(result, name)["y"] for name in (SIFT_MASKED, FT_MERGED, SIFT_MERGED))
    kept = held_against_paper(result)["y"]
    always_better = all(each > other for each, other in zip(kept, merged, strict=True))
    holds = kept[ten] > kept[twenty] - SIMILAR and always_better
    published = note_published(result, f"{kept[ten]:.3f} and {kept[twenty]:.3f}")
    return (
        f"{verdict(holds)}: {SIFT_MASKED} scores {masked[ten]:.3f} after 10 steps and {masked[twenty]:.3f} after "
        f"20{published}; {FT_MERGED} has {merged[ten]:.3f} and {merged[twenty]:.3f}. After 5 steps {SIFT_MERGED} has "
        f"{unmasked[0]:.3f}, {FT_MERGED} {merged[0]:.3f}."
    )


_TITLE = "Figure 7: score against steps a client"
_PAPER_FOUND = (
    "10 steps a client are about as good as 20; the sign constraint slows training down a little, seen at 5 steps; "
    "for the same steps SIFT-Masks is always better than FT + Merge (figure 7, section 4.2)."
)
_FAILS_IF = (
    f"SIFT-Masks as published loses {SIMILAR} from 20 to 10 steps, or is not above {FT_MERGED} at some number of steps."
)
EXPERIMENT = Experiment("fig7", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 40}, measure, draw, found, _FAILS_IF)
