"""Studies from Python: methods side by side, and clients that opt out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsift.api.settings import bars, settings_in
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.protocol.method import Method
from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.compare import compare as compare_methods, default_methods
from fedsift.studies.comparison.comparison import Comparison
from fedsift.studies.optout import play_scenario
from fedsift.studies.optout.attacks import attack
from fedsift.studies.optout.scenario import read_scenario
from fedsift.studies.optout.scenario_result import ScenarioResult

if TYPE_CHECKING:
    import pandas


def methods() -> dict[str, type[Method]]:
    """What can be compared, by name: papers, exact or not, what a removal costs, what is stored."""
    return dict(METHODS)


@dataclass(frozen=True)
class Compared:
    """What a comparison came to."""

    path: Path  # its folder
    result: Comparison  # what result.json there holds

    def to_pandas(self) -> "pandas.DataFrame":
        """A row for each method, by name."""
        import pandas

        return pandas.DataFrame(self.result.methods).set_index("name")

    def figures(self) -> list[Path]:
        """Draw scores and removals by method; returns the files, SVG and PNG; needs fedsift[plots].

        Raises:
            BadInput: nobody was scored, or matplotlib is not installed.
        """
        from fedsift.studies.comparison.figure import write_comparison_figure

        return write_comparison_figure(self.path)


def compare(
    config: RunConfig | None = None,
    *,
    methods: Sequence[str] | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Compared:
    """Play merge and removals with several methods on the same clients.

    Args:
        config: where to begin; the defaults for None.
        methods: names of `fedsift.methods()`, or a class of yours by module:Class; all for None.
        out: a folder, new or empty; runs/001, runs/002, ... for None.
        progress: whether to show bars.
        options: as of `fedsift.simulate`; `leave` or `leave_count` says who leaves; `rounds`, `sample` and the others
            of docs/explanation/rounds.md, how the methods train that train in rounds.

    Raises:
        BadInput: an unknown method, nobody leaves, or as of `fedsift.simulate`.
    """
    rounds = _rounds_in(options)
    names = default_methods(rounds) if methods is None else list(methods)
    with settings_in(out, config, options) as (folder, settings):
        return Compared(folder, compare_methods(settings, names, folder, bars(progress), rounds))


def _rounds_in(options: dict[str, Any]) -> RoundSettings:
    """Those of the options that are about rounds, taken out of the others."""
    return RoundSettings(**{name: options.pop(name) for name in RoundSettings.options() if name in options})


@dataclass(frozen=True)
class OptOut:
    """What a scenario came to."""

    path: Path  # its folder
    result: ScenarioResult  # what result.json there holds

    def report(self) -> Path:
        """Write the report, one self-contained page, and return where it is; needs fedsift[plots].

        Raises:
            BadInput: matplotlib or Jinja2 is not installed.
        """
        from fedsift.studies.report import write_report

        return write_report(self.path)[0]

    def summary(self) -> list[str]:
        """What the report says in words, a paragraph each; after attacks with what each observer can tell."""
        from fedsift.studies.report.outcome import read_outcome
        from fedsift.studies.report.summary import summarise

        return summarise(read_outcome(self.path)).sentences


def optout(
    scenario: str | Path,
    *,
    full_oracles: int = 10,
    evaluate_every: int | None = None,
    attacks: bool = False,
    out: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> OptOut:
    """Play a scenario of clients that opt out, and prove every step.

    Args:
        scenario: a .toml file, or a ready one by name, such as "one-client".
        full_oracles: so many steps are also held against a run of exactly their members.
        evaluate_every: score after so many steps; 12 times in all for None.
        attacks: also attack the first leavers' examples.
        out: a folder, new or empty; runs/001, runs/002, ... for None.
        progress: whether to show bars.
        options: as of `fedsift.simulate`; they override those of the scenario. With `rounds`
            (docs/explanation/rounds.md), what methods that train in rounds would cost stands beside.

    Raises:
        BadInput: something is wrong with the scenario, or as of `fedsift.simulate`.
    """
    read, rounds = read_scenario(str(scenario)), _rounds_in(options)
    given = {**{key.replace("-", "_"): value for key, value in read.run.items()}, **options}
    with settings_in(out, None, given) as (folder, settings):
        result = play_scenario.play(read, settings, folder, bars(progress), full_oracles, evaluate_every, rounds)
        return OptOut(folder, attack(folder, bars(progress)) if attacks else result)
