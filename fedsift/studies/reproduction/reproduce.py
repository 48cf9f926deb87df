"""`fedsift reproduce`: measure an experiment, and write its numbers, its figure and what was found.

OUT/NAME.json   all that was measured, with the configuration
OUT/NAME.csv    the series, a point a row
OUT/NAME.svg    the figure, and OUT/NAME.png
OUT/NAME.md     what the paper found and what was found here
OUT/trainings   the clients' trainings, for other experiments of the same clients, or to go on after a stop
"""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pandas import DataFrame, concat

from fedsift.configuration.named_files import new_configuration
from fedsift.configuration.run_config import REPRODUCED, RunConfig
from fedsift.core.errors import counted, unknown_name
from fedsift.core.localisation import OWN_LEVELS
from fedsift.core.options import hyphened
from fedsift.files.csv_cells import csv_text
from fedsift.files.output import make_writable, write_whole
from fedsift.learning.models import metric_of
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.ray_start import check_ray
from fedsift.studies.report.drawing import check_matplotlib
from fedsift.studies.reproduction.experiment import Experiment, Result, has_series
from fedsift.studies.reproduction.figure_style import render
from fedsift.studies.reproduction.merges import SIFT_MASKED, SIFT_PUBLISHED
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.training_cache import Session, TrainingCache

_COLUMNS = ("panel", "name", "x", "y", "low", "high")


def configuration(name: str, given: Mapping[str, Any]) -> RunConfig:
    """An experiment's defaults, changed by what is given: keys and values as of `RunConfig.from_mapping`.

    Clients tune as published, and their magnitudes have a grid of levels 0 to 3 where the experiment takes no other.
    The experiment's own defaults are of the generated people: for other data only what is given counts.

    Raises:
        BadInput: no such experiment, or a configuration that cannot be.
    """
    experiment = _named(name)
    if given.get("dataset", "people") == "people":
        given = {**{hyphened(key): value for key, value in experiment.defaults.items()}, **given}
    defaults = {hyphened(key): value for key, value in REPRODUCED.items()}
    return new_configuration({**defaults, **given}, source="options")


def reproduce(name: str, config: RunConfig, out: Path, bars: PhaseBars, session: Session = ray_session) -> Result:
    """Measure an experiment and write its files into `out`, over those of an earlier time.

    Args:
        name: of the experiment.
        config: of its clients and trainings; see `configuration`.
        out: a folder; made where there is none.
        bars: are told of the progress.
        session: whose workers train and score.

    Returns:
        What is written as JSON.

    Raises:
        BadInput: no such experiment, matplotlib is missing, or the data or the model cannot be had.
    """
    experiment = _named(name)
    check_matplotlib()
    started = time.perf_counter()
    trainings = TrainingCache(config, out / "trainings", bars, session)
    check_ray()
    make_writable(out)
    with bars, trainings as cache:
        measured = experiment.measure(cache)
        bars.finish()
    result = {
        "experiment": experiment.name,
        "title": experiment.title,
        "metric": metric_of(config.model_settings),
        "clients": len(cache.clients),
        "tuned_parameters": cache.size,
        **measured,
        "seconds": round(time.perf_counter() - started, 1),
        "configuration": {hyphened(key): value for key, value in dataclasses.asdict(config).items()},
    }
    result["found"] = experiment.found(result)
    result["fails_if"] = _fails_if(experiment, config, result)
    _write(experiment, result, out)
    return result


def _fails_if(experiment: Experiment, config: RunConfig, result: Result) -> str:
    """What would have been found instead had the claim failed, and what here could not have."""
    if experiment.fails_if and config.localise == OWN_LEVELS and has_series(result, SIFT_PUBLISHED):
        return (
            f"{experiment.fails_if} {SIFT_MASKED} as configured (localise = {OWN_LEVELS!r}) serves a member its own "
            "levels whatever is merged, so its scores cannot fail and are not judged."
        )
    return experiment.fails_if


def _named(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def _write(experiment: Experiment, result: Result, out: Path) -> None:
    name = experiment.name
    svg, png = render(name, lambda figure: experiment.draw(result, figure))
    write_whole(out / f"{name}.json", json.dumps(result, indent=1) + "\n")
    write_whole(out / f"{name}.svg", svg)
    (out / f"{name}.png").write_bytes(png)
    write_whole(out / f"{name}.csv", _points(result["series"]))
    write_whole(out / f"{name}.md", _described(experiment, result))


def _points(series: list[dict[str, Any]]) -> str:
    """A row a point as CSV; columns that no series has are left out."""
    columns = [column for column in _COLUMNS if any(column in each for each in series)]
    of_series = [DataFrame({key: each[key] for key in columns if key in each}, dtype=object) for each in series]
    return csv_text([columns, *concat(of_series).reindex(columns=columns).to_numpy().tolist()])


def _described(experiment: Experiment, result: Result) -> str:
    return (
        f"# {experiment.title}\n\n"
        f"![{experiment.title}]({experiment.name}.svg)\n\n"
        f"**The paper** (arXiv 2504.04626): {experiment.paper_found}\n\n"
        f"**Here**: {result['found']}\n\n"
        f"**The claim fails if** {result['fails_if'] or '(no claim is judged)'}\n\n"
        f"{counted(result['clients'], 'client')}, {result['tuned_parameters']:,} tuned parameters, {result['metric']}; "
        f"{result['seconds']:,.0f} seconds. The configuration:\n\n"
        f"```toml\n{tomli_w.dumps(result['configuration'])}```\n"
    )
