"""Other sign vectors than a random one: what clients reach alone and when served, and how many entries they keep.

A sign vector that is fixed before any client trains keeps a removal at one client's training. That of the members' own
mean is there to see what knowing the members could gain; after a removal it would be another one.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fedsift.core.seeds import derive_seed
from fedsift.core.sign_vector import sign_vector
from fedsift.core.task_vectors import Vector
from fedsift.learning.models import load_model
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, has_series, means, series_of
from fedsift.studies.reproduction.figure_style import Figure, dots, legend, panel_of
from fedsift.studies.reproduction.further_clients import further_clients
from fedsift.studies.reproduction.merges import (
    SIFT_MASKED,
    SIFT_PUBLISHED,
    SiftMerges,
    Trainings,
    mean_of,
    scores_of_clients,
    sift_merges,
)
from fedsift.studies.training_cache import TrainingCache

Signs = NDArray[np.int8]  # a sign vector, shape (n,)

_SEEDS = 5  # random sign vectors
_PUBLIC = 20  # clients that take no part
_RANDOM, _PRETRAINED, _MIRRORED = "random", "M0", "mirrored M0"
_KNOWN, _MEMBERS = "other clients' mean", "members' mean"
_LOCAL, _KEPT, _SCORE = "local", "entries kept", "score"


def measure(cache: TrainingCache) -> Result:
    """Tune and merge the clients under each sign vector."""
    points, kept = [], []
    candidates = _sign_vectors(cache)
    for place, signs in enumerate(candidates.values()):
        magnitudes = cache.sign_fixed(cache.clients, signs=signs, name=f"signs-{place}" if place else "")
        merges = sift_merges(cache, cache.clients, magnitudes)
        points.append(scores_of_clients(cache, cache.clients, _served(cache, signs, merges, magnitudes)))
        kept.append([float(np.mean(cache.grid.quantise(magnitudes(each)) > 0)) for each in cache.clients])
    names = list(candidates)
    series = [{"panel": _SCORE, **means(kind, names, [each[kind] for each in points])} for kind in points[0]]
    return {"series": [*series, {"panel": _KEPT, **means(_KEPT, names, kept)}]}


def _sign_vectors(cache: TrainingCache) -> dict[str, Signs]:
    """By name, the run's own first. Where there is no sign to take, the run's stands."""
    further = (derive_seed(cache.config.seed, "sign vector", str(number)) for number in range(2, _SEEDS + 1))
    seeds = [cache.config.sign_seed, *further]
    pretrained = load_model(cache.config.model_settings)[0].weights.float().cpu().numpy()
    public = further_clients(cache, _PUBLIC)
    cache.add_clients(public)
    known = mean_of(cache, public, cache.fine_tuned(list(public)))
    members = mean_of(cache, cache.clients, cache.fine_tuned(cache.clients))
    return {
        **{f"{_RANDOM} {place}": sign_vector(each, cache.size) for place, each in enumerate(seeds, start=1)},
        _PRETRAINED: _signs(pretrained, cache.signs),
        _MIRRORED: _signs(-pretrained, cache.signs),
        _KNOWN: _signs(known, cache.signs),
        _MEMBERS: _signs(members, cache.signs),
    }


def _signs(vector: NDArray[np.float32], otherwise: Signs) -> Signs:
    return np.where(vector == 0, otherwise, np.sign(vector)).astype(np.int8)


def _served(
    cache: TrainingCache, signs: Signs, merges: SiftMerges, magnitudes: Trainings
) -> Callable[[str], dict[str, Vector]]:
    """The way to what a client tuned, and what it is served, under other signs than the cache's."""
    turned = cache.signs * signs  # merges apply the cache's

    def served(client_id: str) -> dict[str, Vector]:
        own = magnitudes(client_id)
        return {**{name: each * turned for name, each in merges.served(own).items()}, _LOCAL: own * signs}

    return served


def draw(result: Result, figure: Figure) -> None:
    """Scores beside entries kept, the sign vectors one below the other."""
    figure.set_size_inches(figure.get_figwidth(), 2.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, panel, label in zip(panels, (_SCORE, _KEPT), (f"mean {result['metric']}", _KEPT), strict=True):
        series = panel_of(result, panel)["series"]
        dots(axes, series, series[0]["x"])
        axes.set_xlabel(label)
    panels[1].xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    legend(figure, panels[0])


def found(result: Result) -> str:
    """Hold each other sign vector against the random ones."""
    kinds = [name for name in (_LOCAL, SIFT_MASKED, SIFT_PUBLISHED) if has_series(result, name)]
    names = series_of(result, _LOCAL)["x"]
    score = {kind: dict(zip(names, series_of(result, kind)["y"], strict=True)) for kind in kinds}
    kept = dict(zip(names, series_of(result, _KEPT)["y"], strict=True))
    random, others = ([name for name in names if name.startswith(_RANDOM) == drawn] for drawn in (True, False))
    spread = ", ".join(
        f"{kind} {min(score[kind][name] for name in random):.3f} to {max(score[kind][name] for name in random):.3f}"
        for kind in kinds
    )
    told = "; ".join(
        f"{name} {', '.join(f'{score[kind][name]:.3f}' for kind in kinds)} ({kept[name]:.1%})" for name in others
    )
    judged = score[kinds[-1]]
    better = [name for name in others if name != _MEMBERS and judged[name] > max(judged[each] for each in random)]
    return (
        f"Under {len(random)} random sign vectors clients score {spread}, and keep "
        f"{np.mean([kept[name] for name in random]):.1%} of the entries. In the same order, under the signs of {told}. "
        f"Of those that no member has a part in, {' and '.join(better) if better else 'none'} "
        f"{'serve' if len(better) > 1 else 'serves'} better than every random one ({kinds[-1]})."
    )


_TITLE = "Other sign vectors than a random one"
_PAPER_FOUND = (
    "The sign vector is drawn at random before any training, so that masks depend on local data alone; whether a "
    "better one could be had without depending on the members is left open (section 3)."
)
EXPERIMENT = Experiment("sign-vectors", Kind.QUESTION, _TITLE, _PAPER_FOUND, {"clients": 30}, measure, draw, found)
