"""Figure 4: local, merged and masked models, of plain fine-tuning (FT) and of sign-fixed tuning (SIFT)."""

import numpy as np

from fedsift.core.task_vectors import Vector
from fedsift.studies.reproduction.experiment import (
    SIMILAR,
    Experiment,
    Kind,
    Result,
    has_series,
    means,
    series_of,
    verdict,
)
from fedsift.studies.reproduction.figure_style import Figure, bars, legend, reference, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    SIFT_MERGED,
    SIFT_PUBLISHED,
    TALL_MASKED,
    ZERO_SHOT,
    compared_merge,
    mean_of,
    note_published,
    scores_of_clients,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

_FT, _SIFT, _MASKED = "FT", "SIFT", "masked"
_KINDS = ("local", "merged", _MASKED)
_FT_LOCAL, _SIFT_LOCAL = "FT, local", "SIFT, local"


def measure(cache: TrainingCache) -> Result:
    """Score each client locally, merged and masked, with either tuning."""
    tuned, magnitudes = cache.fine_tuned(cache.clients), cache.sign_fixed(cache.clients)
    sift = sift_merges(cache, cache.clients, magnitudes)
    tall = compared_merge("tall-masks", cache, cache.clients)
    ft_merged, sift_merged = mean_of(cache, cache.clients, tuned), sift[SIFT_MASKED].merged()

    def served(client_id: str) -> dict[str, Vector | None]:
        own = magnitudes(client_id)
        local = {ZERO_SHOT: None, _FT_LOCAL: tuned(client_id), _SIFT_LOCAL: own * cache.signs}
        merged = {FT_MERGED: ft_merged, SIFT_MERGED: sift_merged, TALL_MASKED: tall.served(client_id)}
        return local | merged | sift.served(own)

    scores = scores_of_clients(cache, cache.clients, served)
    series = [
        means(_FT, _KINDS, [scores[name] for name in (_FT_LOCAL, FT_MERGED, TALL_MASKED)]),
        means(_SIFT, _KINDS, [scores[name] for name in (_SIFT_LOCAL, SIFT_MERGED, SIFT_MASKED)]),
    ]
    if SIFT_PUBLISHED in scores:
        series.append(means(SIFT_PUBLISHED, [_MASKED], [scores[SIFT_PUBLISHED]]))
    return {"series": series, "zero_shot": float(np.mean(scores[ZERO_SHOT])), "chosen": {TALL_MASKED: tall.chosen}}


def draw(result: Result, figure: Figure) -> None:
    """Bars: local, merged, masked."""
    axes = figure.subplots()
    bars(axes, result["series"], _KINDS)
    axes.set_xticks(range(len(_KINDS)), ["local", "merged", f"masked\n(FT: {TALL_MASKED})"])
    score_axis(axes, result)
    reference(axes, result["zero_shot"], ZERO_SHOT)
    legend(figure, axes)


def found(result: Result) -> str:
    """Hold SIFT against FT, and SIFT-Masks against TALL-masks."""
    (ft_local, ft_merged, tall), (local, merged, masked) = (series_of(result, name)["y"] for name in (_FT, _SIFT))
    # Here the series of SIFT-Masks as configured is a bar of SIFT.
    kept = series_of(result, SIFT_PUBLISHED)["y"][0] if has_series(result, SIFT_PUBLISHED) else masked
    alike = abs(local - ft_local) < SIMILAR and abs(merged - ft_merged) < SIMILAR
    return (
        f"{verdict(alike and kept > merged and kept > tall - SIMILAR)}: local models score {local:.3f} with SIFT and "
        f"{ft_local:.3f} with FT, merged ones {merged:.3f} and {ft_merged:.3f}; under masks {SIFT_MASKED} has "
        f"{masked:.3f}{note_published(result, f'{kept:.3f}')} and {TALL_MASKED} {tall:.3f}."
    )


_TITLE = "Figure 4: local, merged and masked models"
_PAPER_FOUND = (
    "SIFT is about as good as FT, local or merged; what helps is its masks, made from local data alone: SIFT-Masks "
    "is competitive with TALL-masks, or better (figure 4, section 4.1)."
)
_FAILS_IF = (
    f"local or merged models of the two tunings are {SIMILAR} apart, or SIFT-Masks as published has no more than "
    f"the merged model, or {SIMILAR} less than {TALL_MASKED}."
)
EXPERIMENT = Experiment("fig4", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
