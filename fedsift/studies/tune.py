"""Learning rate and steps for a model and its data, chosen on clients that never join.

Members are not asked: what is chosen decides the bits of every contribution, so a member that had a say in it could not
be removed by one client's rerun. Newcomers tune under each setting, on the rows that they have to tune on, and their
own quantised models are scored on their other rows. From the configuration's own values lr moves by half powers of ten
and then the steps along a list, as long as the mean score rises; last lr once more.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import tomli_w

from fedsift.configuration.choices_in_data import warning_of_choices
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms, quantise
from fedsift.core.errors import BadInput, counted
from fedsift.core.task_vectors import Vector
from fedsift.data.loading import load_dataset
from fedsift.files.output import write_whole
from fedsift.learning.models import metric_of
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.ray_start import check_ray
from fedsift.studies.training_cache import TrainingCache

_PILOTS = 8
_STEPS = (5, 10, 20, 50, 100, 200)
_LR_STEP = 10**0.5
_DIGITS = 3  # of a learning rate
_Value = TypeVar("_Value", int, float)
_FAILED = -1.0  # A loss that is no number is worse than any score.


@dataclass(frozen=True)
class Trial:
    """What a setting gives the pilots, in the mean."""

    lr: float
    steps: int
    local: float | None  # own tuned model, as tuned; None where the loss was no number
    own: float | None  # the same as quantised


@dataclass(frozen=True)
class Chosen:
    """The best setting, and all that were tried."""

    config: RunConfig  # with the best lr and steps
    metric: str
    pilots: list[str]
    trials: list[Trial]  # in their order

    @property
    def best(self) -> Trial:
        """The trial of the setting that was chosen."""
        return next(each for each in self.trials if (each.lr, each.steps) == (self.config.lr, self.config.steps))

    @property
    def why(self) -> list[str]:
        """The choice in words, a line each."""
        first = f"lr = {self.config.lr:g} and steps = {self.config.steps}: chosen by fedsift tune on "
        pilots = counted(len(self.pilots), "client that never joins", "clients that never join")
        rows = "rows that they did not tune on" if self.config.is_held_out else "the rows that they tuned on"
        return [f"{first}{pilots}, by {self.metric} on {rows}.", *map(_told, self.trials)]

    def write(self, path: Path) -> None:
        """A config.toml with the choice, and why as comments."""
        comments = "".join(f"# {line}\n" for line in self.why)
        write_whole(path, comments + tomli_w.dumps(self.config.to_mapping()))


def tune(config: RunConfig, bars: PhaseBars) -> Chosen:
    """Search for lr and steps.

    Raises:
        BadInput: no client is left to choose on, or the first setting's training fails.
    """
    check_ray()
    with TemporaryDirectory() as folder, bars, TrainingCache(config, Path(folder), bars, ray_session) as cache:
        search = _Search(cache, config, _pilots(config, bars))
        lr, steps = config.lr, config.steps
        search.score(lr, steps)
        lr = search.best_lr(lr, steps)
        steps = search.best_steps(lr, steps)
        lr = search.best_lr(lr, steps)
        bars.finish()
    metric = metric_of(config.model_settings)
    return Chosen(dataclasses.replace(config, lr=lr, steps=steps), metric, search.pilots, search.trials)


def _pilots(config: RunConfig, bars: PhaseBars) -> list[str]:
    dataset = load_dataset(config)
    newcomers = Participants.of(config, dataset).newcomers
    without_rows = set(dataset.test_only)
    able = [each for each in newcomers if each not in without_rows and dataset.test_examples(each)]
    if not able:
        raise BadInput(
            "nobody is left to choose on: settings are never chosen on members, since their removal would not be exact "
            "then; give newcomers, and rows held out (newcomers = 0.1, test-share = 0.25)"
        )
    pilots = able[:_PILOTS]
    bars.warn(warning_of_choices(config, dataset, pilots))
    return pilots


class _Search:
    """Scores settings, each once."""

    def __init__(self, cache: TrainingCache, config: RunConfig, pilots: list[str]) -> None:
        self.pilots, self.trials = pilots, list[Trial]()
        self._cache, self._config = cache, config

    def score(self, lr: float, steps: int) -> float:
        """The mean score of the pilots' quantised models."""
        found = next((each for each in self.trials if (each.lr, each.steps) == (lr, steps)), None)
        if found is None:
            found = self._tried(lr, steps)
            self.trials.append(found)
        return _FAILED if found.own is None else found.own

    def _tried(self, lr: float, steps: int) -> Trial:
        cache, config = self._cache, dataclasses.replace(self._config, lr=lr, steps=steps)
        terms = UploadTerms(cache.layout.digest, cache.size, config.sign_seed, config.grid)
        try:
            magnitudes = cache.sign_fixed(self.pilots, config=config)
        except BadInput:
            if not self.trials:
                raise  # What is wrong with the very first one is the user's to know.
            return Trial(lr, steps, None, None)

        def models(client_id: str) -> dict[str, Vector]:
            tuned = magnitudes(client_id)
            own = (quantise(tuned, terms).contribution.levels() * terms.grid.step).astype(np.float32)
            return {"local": tuned * cache.signs, "own": own * cache.signs}

        scores = cache.scores(((each, models(each)) for each in self.pilots), len(self.pilots))
        local, own = (float(np.mean([each[name] for each in scores.values()])) for name in ("local", "own"))
        return Trial(lr, steps, local, own)

    def best_lr(self, lr: float, steps: int) -> float:
        """The best lr for so many steps, from one on."""
        return _climbed(lr, lambda each, up: _rounded(each * _LR_STEP**up), lambda each: self.score(each, steps))

    def best_steps(self, lr: float, steps: int) -> int:
        """The best number of steps for an lr, from one on."""
        ladder = sorted({*_STEPS, steps})

        def beside(each: int, up: int) -> int:
            return ladder[min(max(ladder.index(each) + up, 0), len(ladder) - 1)]

        return _climbed(steps, beside, lambda each: self.score(lr, each))


def _climbed(value: _Value, beside: Callable[[_Value, int], _Value], score: Callable[[_Value], float]) -> _Value:
    """The value that no neighbour is better than, reached in one direction; downwards first, which is cheaper."""
    for direction in (-1, 1):
        start = value
        while score(following := beside(value, direction)) > score(value):
            value = following
        if value != start:
            break
    return value


def _rounded(lr: float) -> float:
    return float(f"{lr:.{_DIGITS}g}")


def _told(trial: Trial) -> str:
    if trial.own is None or trial.local is None:
        return f"lr {trial.lr:g}, {counted(trial.steps, 'step')}: the loss is no number"
    return f"lr {trial.lr:g}, {counted(trial.steps, 'step')}: {trial.own:.4g} (not quantised {trial.local:.4g})"
