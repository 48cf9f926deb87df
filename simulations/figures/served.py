"""What a member is served, by coarse grids, by Adam's betas and by commit steps (docs/explanation/two-levels.md).

The clients are two federations of equal size. The first half, in the order of the data, is for search: its scores say
which setting is best. What that setting is worth, the second half tells, on which nothing was chosen.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import quantise
from fedsift.core.errors import BadInput, counted
from fedsift.core.task_vectors import Vector
from fedsift.core.upload import Upload
from fedsift.learning.tuning_settings import TuningSettings
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means
from fedsift.studies.reproduction.figure_style import Figure, dots, legend, panel_of
from fedsift.studies.reproduction.merges import SiftMerge, Trainings, scores_of_clients
from fedsift.studies.training_cache import TrainingCache


class Setting(NamedTuple):
    """A grid of levels and a threshold, and a tuning for it."""

    levels: int
    threshold: float
    max_factor: float  # max_magnitude as a multiple of lr * steps
    commit_share: float  # share of the steps that run on the quantised model
    betas: tuple[float, float]  # Adam's

    def of(self, config: RunConfig) -> RunConfig:
        """The configuration with this setting."""
        return dataclasses.replace(
            config,
            levels=self.levels,
            threshold=self.threshold,
            max_magnitude=self.max_factor * config.lr * config.steps,
            commit_share=self.commit_share,
            beta1=self.betas[0],
            beta2=self.betas[1],
        )


_OURS, _PUBLISHED = (TuningSettings.beta1, TuningSettings.beta2), (0.9, 0.999)
_SETTINGS = (
    Setting(3, 0.0, 1.0, 0.0, _PUBLISHED),
    Setting(2, 0.0, 0.4, 0.0, _PUBLISHED),
    Setting(1, 0.55, 0.3, 0.0, _PUBLISHED),
    Setting(1, 0.55, 0.3, 0.4, _PUBLISHED),
    Setting(3, 0.0, 0.6, 0.0, _OURS),
    Setting(2, 0.0, 0.4, 0.0, _OURS),
    Setting(2, 0.0, 0.4, 0.2, _OURS),
    Setting(1, 0.55, 0.3, 0.0, _OURS),
    Setting(1, 0.55, 0.3, 0.4, _OURS),
)
_SEARCH, _REPORTED = "search", "reported"
_OWN, _BY_SUMS, _MERGED = "own", "coordinate", "merged, for all"
_KEPT, _BYTES = "share of entries kept", "bytes uploaded a parameter"
_SCORES, _SIZES = (_OWN, _BY_SUMS, _MERGED), (_KEPT, _BYTES)


def measure(cache: TrainingCache) -> Result:
    """Tune all clients under each setting, and merge and score each half of them alone.

    Raises:
        BadInput: there is a single client.
    """
    size = len(cache.clients) // 2
    if not size:
        raise BadInput("clients = 1: one half of the clients is for search, the other is reported; give two or more")
    halves = {_SEARCH: cache.clients[:size], _REPORTED: cache.clients[size : 2 * size]}
    rows: list[dict[str, Any]] = []
    scores: dict[str, list[dict[str, list[float]]]] = {half: [] for half in halves}
    for setting in _SETTINGS:
        config = setting.of(cache.config)
        magnitudes = cache.sign_fixed([*halves[_SEARCH], *halves[_REPORTED]], config=config)
        for half, clients in halves.items():
            scored, sizes = _measured(cache, config, clients, magnitudes)
            scores[half].append(scored)
            grid = {key: getattr(config, key) for key in ("levels", "threshold", "max_magnitude")}
            grid["commit_steps"] = config.tuning.commit_steps
            score = {name: float(np.mean(scored[name])) for name in _SCORES}
            rows.append({"half": half, "setting": _label(setting, config), **grid, **score, **sizes})
    series = []
    for half in halves:
        own = [row for row in rows if row["half"] == half]
        labels = [row["setting"] for row in own]
        series += [{"panel": half, **means(name, labels, [each[name] for each in scores[half]])} for name in _SCORES]
        series += [{"panel": half, "name": name, "x": labels, "y": [row[name] for row in own]} for name in _SIZES]
    return {"series": series, "rows": rows, "clients of a half": size}


def _measured(
    cache: TrainingCache, config: RunConfig, clients: Sequence[str], magnitudes: Trainings
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Scores of a federation of these clients by name, and what its uploads take in the mean."""
    merge = SiftMerge(cache, dataclasses.replace(config, localise=_BY_SUMS), len(clients))
    kept, uploaded = [], []
    for client_id in clients:
        upload = quantise(magnitudes(client_id), merge.terms).contribution
        merge.sums.add(Upload(upload))
        kept.append(upload.nonzero / cache.size)
        uploaded.append(len(upload.to_bytes()) / cache.size)
    merged = merge.merged()

    def served(client_id: str) -> dict[str, Vector]:
        quantised = quantise(magnitudes(client_id), merge.terms)
        return {_OWN: merge.own(quantised), _BY_SUMS: merge.served_quantised(quantised), _MERGED: merged}

    scores = scores_of_clients(cache, clients, served)
    return scores, {_KEPT: float(np.mean(kept)), _BYTES: float(np.mean(uploaded))}


def _label(setting: Setting, config: RunConfig) -> str:
    threshold = f", threshold {setting.threshold:g}" if setting.threshold else ""
    levels = counted(setting.levels, "level")
    betas = "betas {:g}, {:g}".format(*setting.betas)
    return f"{levels}, max x {setting.max_factor:g}{threshold}, {betas}, commit {config.tuning.commit_steps}"


def draw(result: Result, figure: Figure) -> None:
    """The half that is reported, a setting a row: scores, and beside them what is kept and uploaded."""
    reported = {each["name"]: each for each in panel_of(result, _REPORTED)["series"]}
    settings = reported[_OWN]["x"]
    figure.set_size_inches(6.6, 1 + 0.2 * len(settings))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    dots(left, [reported[name] for name in _SCORES], settings)
    left.set_xlabel(f"mean {result['metric']}")
    for name, marker in zip(_SIZES, "x+", strict=True):
        right.plot(reported[name]["y"], range(len(settings)), linestyle="", marker=marker, color="0.3", label=name)
    right.set_xlim(0)
    legend(figure, [left, right], columns=3)


def found(result: Result) -> str:
    """Name the best setting of the search by what members have of their own, and tell what the other half got."""
    reported = {row["setting"]: row for row in result["rows"] if row["half"] == _REPORTED}
    best = max((row for row in result["rows"] if row["half"] == _SEARCH), key=lambda row: row[_OWN])
    row = reported[best["setting"]]
    return (
        f"Of {len(reported)} settings, chosen on {counted(result['clients of a half'], 'client')} and told of "
        f"{result['clients of a half']} others, the best is {row['setting']} ({best[_OWN]:.3f} in the search): members "
        f"score {row[_OWN]:.3f} with their own quantised model and {row[_BY_SUMS]:.3f} with the means of the sums, the "
        f"merged model for all {row[_MERGED]:.3f}, with {row[_KEPT]:.1%} of the entries kept and {row[_BYTES]:.3f} "
        "bytes a parameter uploaded."
    )


_TITLE = "What a member is served, by grid and tuning"
_PAPER_FOUND = "The paper quantises nothing, and serves the sum of all members under a member's mask."
EXPERIMENT = Experiment("served", Kind.QUANTISATION, _TITLE, _PAPER_FOUND, {"clients": 200}, measure, draw, found)
