"""What the grid costs a member, from few steps to many (docs/explanation/grid.md).

A client's own quantised model, which `own` serves it, is held against its own model as tuned.
"""

import dataclasses
from typing import Any

import numpy as np

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import quantise
from fedsift.core.errors import counted
from fedsift.core.task_vectors import Vector
from fedsift.learning.tuning_settings import TuningSettings
from fedsift.runs.scores import MARGIN
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, series_of
from fedsift.studies.reproduction.figure_style import Figure, legend, plot, score_axis
from fedsift.studies.reproduction.merges import SiftMerge, scores_of_clients
from fedsift.studies.training_cache import TrainingCache

_STEPS = (5, 10, 20, 50, 100, 200, 500)
_GRIDS = {"as the steps need": 0, "16 levels": 16, "2 levels": 2}  # by name, what `levels` is
_LOCAL, _FOLLOWS = "local, not quantised", "as the steps need"


def measure(cache: TrainingCache) -> Result:
    """Tune all clients for each number of steps, and score each on its own model, on each grid and on none."""
    points, rows = [], []
    default = dataclasses.replace(
        cache.config, beta1=TuningSettings.beta1, beta2=TuningSettings.beta2, max_magnitude=0.0
    )
    for steps in _STEPS:
        scores, told = _measured(cache, dataclasses.replace(default, steps=steps))
        points.append(scores)
        rows += told
    series = [means(name, _STEPS, [scores[name] for scores in points]) for name in (_LOCAL, *_GRIDS)]
    return {"series": series, "rows": rows}


def _measured(cache: TrainingCache, tuned: RunConfig) -> tuple[dict[str, list[float]], list[dict[str, Any]]]:
    """Scores of all clients by name, and a row for each grid."""
    magnitudes = cache.sign_fixed(cache.clients, config=tuned)
    configs = {name: dataclasses.replace(tuned, levels=levels) for name, levels in _GRIDS.items()}
    merges = {name: SiftMerge(cache, config, len(cache.clients)) for name, config in configs.items()}
    sizes: dict[str, list[float]] = {name: [] for name in configs}

    def own(client_id: str) -> dict[str, Vector]:
        as_tuned = magnitudes(client_id)
        models = {_LOCAL: as_tuned * cache.signs}
        for name, merge in merges.items():
            quantised = quantise(as_tuned, merge.terms)
            models[name] = merge.own(quantised)
            sizes[name].append(len(quantised.contribution.to_bytes()) / cache.size)
        return models

    scores = scores_of_clients(cache, cache.clients, own)
    return scores, [_row(tuned.steps, name, configs[name], scores, sizes[name]) for name in configs]


def _row(
    steps: int, name: str, config: RunConfig, scores: dict[str, list[float]], sizes: list[float]
) -> dict[str, Any]:
    lost = np.array(scores[_LOCAL]) - np.array(scores[name])
    return {
        "steps": steps,
        "grid": name,
        "levels": config.grid.levels,
        "step / lr": config.grid.step / config.lr,
        "local": float(np.mean(scores[_LOCAL])),
        "own": float(np.mean(scores[name])),
        "most lost by a client": float(lost.max()),
        "clients that lose more than .01": int((lost > MARGIN).sum()),
        "bytes a parameter": float(np.mean(sizes)),
    }


def draw(result: Result, figure: Figure) -> None:
    """Scores over steps."""
    axes = figure.subplots()
    plot(axes, result["series"])
    axes.set_xscale("log")
    axes.set_xlabel("steps")
    score_axis(axes, result)
    legend(figure, [axes], columns=2)


def found(result: Result) -> str:
    """Tell what the grid that follows the steps costs at most, and a table of it."""
    rows = [row for row in result["rows"] if row["grid"] == _FOLLOWS]
    worst = max(rows, key=lambda row: row["local"] - row["own"])
    coarse = series_of(result, "2 levels")["y"][-1]
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row[each]) for each in columns) + " |" for row in result["rows"]]
    return (
        f"On the grid that follows the steps, the mean over clients falls by {worst['local'] - worst['own']:.4f} at "
        f"most, at {counted(worst['steps'], 'step')}; with 2 levels it is {coarse:.3f} at {_STEPS[-1]} steps.\n\n"
    ) + "\n".join(lines)


def _cell(value: float | str) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


_TITLE = "What the grid costs, by steps"
_PAPER_FOUND = "The paper quantises nothing."
EXPERIMENT = Experiment("grid", Kind.QUANTISATION, _TITLE, _PAPER_FOUND, {"clients": 20}, measure, draw, found)
