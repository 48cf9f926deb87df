"""Studies from Python: methods side by side, and clients that opt out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsift.api.settings import bars, settings_in
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.tracking import TrackerOption, Tracking
from fedsift.protocol.method import Method
from fedsift.runs.trackers import track_of
from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.compare import compare as compare_methods, default_methods
from fedsift.studies.comparison.comparison import Comparison
from fedsift.studies.optout import play_scenario
from fedsift.studies.optout.attacks import attack, check_attacked
from fedsift.studies.optout.scenario import read_scenario
from fedsift.studies.optout.scenario_result import ScenarioResult

if TYPE_CHECKING:
    import pandas


def methods() -> dict[str, type[Method]]:
    """The methods that can be compared, by name; each has its paper, whether it is exact, and its costs."""
    return dict(METHODS)


@dataclass(frozen=True)
class Compared:
    """A comparison, as its folder has it."""

    path: Path  # the folder
    result: Comparison  # as in result.json

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
    track: TrackerOption = None,
    **options: Any,
) -> Compared:
    """Play merge and removals with several methods on the same clients.

    Args:
        config: options to start from; the defaults for None.
        methods: names of `fedsift.methods()`, or module:Class for a class of yours; all for None.
        out: a folder, new or empty; runs/001, runs/002, ... for None.
        progress: whether to show bars.
        track: as of `fedsift.simulate`.
        options: as of `fedsift.simulate`; `leave` or `leave_count` says who leaves. Methods that train in rounds take
            `rounds`, `sample` and others (docs/explanation/rounds.md).

    Raises:
        BadInput: an unknown method, nobody leaves, or as of `fedsift.simulate`.
    """
    rounds = _rounds_in(options)
    names = default_methods(rounds) if methods is None else list(methods)
    tracked = track_of(track)
    with settings_in(out, config, options, ["methods", *RoundSettings.options()]) as (folder, settings):
        return Compared(folder, compare_methods(settings, names, folder, bars(progress), rounds, tracked))


def _rounds_in(options: dict[str, Any]) -> RoundSettings:
    """Those of the options that are about rounds, taken out of the others."""
    return RoundSettings(**{name: options.pop(name) for name in RoundSettings.options() if name in options})


@dataclass(frozen=True)
class OptOut:
    """A scenario that was played, as its folder has it."""

    path: Path  # the folder
    result: ScenarioResult  # as in result.json

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
    methods: Sequence[str] | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    track: TrackerOption = None,
    track_losses: bool = False,
    **options: Any,
) -> OptOut:
    """Play a scenario of clients that opt out, and prove every step.

    Args:
        scenario: a .toml file, or a ready one by name, such as "one-client".
        full_oracles: how many steps are also compared with a run of exactly their members.
        evaluate_every: score after each so many steps; None for 12 times in all.
        attacks: also attack the first leavers' examples.
        methods: what is attacked beside SIFT-Masks: names of `fedsift.methods()`, `fedavg+npo`, or a class of yours by
            module:Class; for None Central FT and what builds on it, with rounds also FedAvg and NPO on top.
        out: a folder, new or empty; runs/001, runs/002, ... for None.
        progress: whether to show bars.
        track: as of `fedsift.simulate`.
        track_losses: as of `fedsift.simulate`.
        options: as of `fedsift.simulate`; they override those of the scenario. With `rounds`
            (docs/explanation/rounds.md) the report also says what methods that train in rounds would cost.

    Raises:
        BadInput: something is wrong with the scenario, an unknown method, or as of `fedsift.simulate`.
    """
    read, rounds = read_scenario(str(scenario)), _rounds_in(options)
    check_attacked(attacks, methods, rounds)
    given = {**{key.replace("-", "_"): value for key, value in read.run.items()}, **options}
    tracked, asked = track_of(track, track_losses), (full_oracles, evaluate_every, rounds, attacks)
    with settings_in(out, None, given, RoundSettings.options()) as (folder, settings):
        shown = bars(progress)
        with Tracking(tracked, shown.warn) as tracking:
            result = play_scenario.play(read, settings, folder, shown, *asked, tracking)
            return OptOut(folder, attack(folder, bars(progress), methods) if attacks else result)
