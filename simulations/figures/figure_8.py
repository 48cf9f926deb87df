"""Figure 8: scores of those who stay (held-in) and of all clients (held-out) while more and more of them leave.

The merges are walked down by subtraction, as the server does it. Who left is served the merged model without a mask.
"""

from collections.abc import Iterator, Sequence

from fedsift.core.seeds import derive_seed
from fedsift.strategies.fine_tune_merge import Mean
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, curves, has_series, series_of, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, panel_of, plot, reference, score_axis
from fedsift.studies.reproduction.merges import (
    FT_MERGED,
    SIFT_MASKED,
    SIFT_PUBLISHED,
    ZERO_SHOT,
    Request,
    SiftMerges,
    Trainings,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

_HELD_IN, _HELD_OUT = "held-in", "held-out"
_LAST = (5, 2, 1)  # members, where most changes


def measure(cache: TrainingCache) -> Result:
    """Let the clients leave in an order drawn from the seed, and score all of them at some numbers."""
    clients = len(cache.clients)
    order = sorted(cache.clients, key=lambda client_id: derive_seed(cache.config.seed, "leave", client_id))
    magnitudes, task_vectors = cache.sign_fixed(order), cache.fine_tuned(order)
    sift, mean = sift_merges(cache, order, magnitudes), Mean(cache.size)
    for client_id in order:
        mean.add(task_vectors(client_id))
    last = {clients - left for left in _LAST if left < clients}
    numbers = sorted({clients * tenth // 10 for tenth in range(11)} | last)
    held_in, held_out, gone = [], [], 0
    for number in numbers:
        for client_id in order[gone:number]:
            for merge in sift.values():
                merge.subtract(magnitudes(client_id))
            mean.subtract(task_vectors(client_id))
        gone = number
        scores = cache.scores(_requests(order, gone, sift, mean, magnitudes), clients)
        by_name = {name: [scores[client_id][name] for client_id in order] for name in (*sift, FT_MERGED)}
        held_out.append(by_name)
        held_in.append({name: each[gone:] for name, each in by_name.items()})
    series = [{"panel": _HELD_OUT, **each} for each in curves(numbers, held_out)]
    series += [{"panel": _HELD_IN, **each} for each in curves(numbers[:-1], held_in[:-1])]
    return {"series": series, ZERO_SHOT: series[len(sift)]["y"][-1]}


def _requests(
    order: Sequence[str], gone: int, sift: SiftMerges, mean: Mean, magnitudes: Trainings
) -> Iterator[Request]:
    """What all clients are served when the first `gone` have left."""
    without_mask = {name: merge.merged() for name, merge in sift.items()}
    merged = {FT_MERGED: mean.merged()}
    for client_id in order[:gone]:
        yield client_id, without_mask | merged
    for client_id in order[gone:]:
        yield client_id, sift.served(magnitudes(client_id)) | merged


def draw(result: Result, figure: Figure) -> None:
    """Held-out beside held-in, with one score axis."""
    panels = figure.subplots(1, 2, sharey=True)
    for axes, panel in zip(panels, (_HELD_OUT, _HELD_IN), strict=True):
        plot(axes, panel_of(result, panel)["series"])
        reference(axes, result[ZERO_SHOT], ZERO_SHOT)
        axes.set_title(panel)
    figure.supxlabel("clients unlearned", fontsize="medium")
    score_axis(panels[0], result)
    legend(figure, panels)


def found(result: Result) -> str:
    """Compare the ends of both walks."""
    told, holds = [], False
    judged = SIFT_PUBLISHED if has_series(result, SIFT_PUBLISHED) else SIFT_MASKED
    for name in (SIFT_PUBLISHED, SIFT_MASKED):
        if has_series(result, name):
            inside, outside = (series_of(result, name, panel)["y"] for panel in (_HELD_IN, _HELD_OUT))
            if name == judged:
                holds = outside[-1] < outside[0] and inside[-1] > inside[0]
            told.append(
                f"{name} goes from {outside[0]:.3f} to {outside[-1]:.3f} held-out and from {inside[0]:.3f} to "
                f"{inside[-1]:.3f} held-in"
            )
    merged = series_of(result, FT_MERGED, _HELD_IN)["y"]
    return (
        f"{verdict(holds)}: {'; '.join(told)}. {FT_MERGED} goes from {merged[0]:.3f} to {merged[-1]:.3f} held-in. "
        f"Without members all are at zero-shot, {result[ZERO_SHOT]:.3f}."
    )


_TITLE = "Figure 8: held-out and held-in scores while clients leave"
_PAPER_FOUND = (
    "Held-out, with those who left served the merged model, SIFT-Masks falls as clients are unlearned, down to "
    "FT + Merge; held-in, on those who stay, it rises, since less interferes; with all unlearned everything is at "
    "zero-shot (section 4.3, figure 8)."
)
_FAILS_IF = "SIFT-Masks as published does not fall held-out, or does not rise held-in."
EXPERIMENT = Experiment("fig8", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
