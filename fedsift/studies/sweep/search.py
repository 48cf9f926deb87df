"""Where Optuna looks next: a search instead of a grid.

Optuna keeps nothing: from the same seed and the same scores its sampler asks for the same points, so a search that was
stopped goes on by asking again, and what has been played is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fedsift.core.extras import check_extra
from fedsift.core.seeds import derive_seed

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log` where they are to be even on a logarithmic scale."""

    low: float
    high: float
    log: bool = False

    def suggested(self, key: str, trial: "optuna.Trial") -> float:
        """A number of it: a whole one where both ends are."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class OptunaSearch:
    """So many points, drawn by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24)."""

    space: Mapping[str, Range | list[Any]]  # option -> its range, or the values to choose from
    trials: int

    @property
    def terms(self) -> dict[str, Any]:
        """The space; further trials may follow on those of an earlier time."""
        return {key: asdict(each) if isinstance(each, Range) else each for key, each in self.space.items()}

    def points(self, seed: int, play: Callable[[dict[str, Any]], float | None]) -> None:
        """Maximise what `play` returns.

        Raises:
            BadInput: Optuna is not installed.
        """
        check_optuna()
        import optuna
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=derive_seed(seed, "sweep") % 2**32)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for _ in range(self.trials):
            trial = study.ask()
            score = play({key: _suggested(key, each, trial) for key, each in self.space.items()})
            if score is None:
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, score)


def _suggested(key: str, each: Range | list[Any], trial: "optuna.Trial") -> Any:
    """The next value of an option. Optuna chooses a place in a list: not all values can be its own choices."""
    if isinstance(each, Range):
        return each.suggested(key, trial)
    return each[trial.suggest_categorical(key, list(range(len(each))))]


def check_optuna() -> None:
    """Raise BadInput where Optuna is not installed."""
    check_extra("a search", "optuna", "sweep")
