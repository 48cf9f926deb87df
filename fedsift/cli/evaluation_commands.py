"""Commands that evaluate: methods side by side, clients that opt out, the paper's figures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.cli.options import JSON, TRAINING, overriding, rounds_of, settings_of, takes
from fedsift.cli.sweep_command import SEEDS, repeat
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, how_to_resume, progress_bars, say, say_json, tell
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.options import Group
from fedsift.files.output import output_folder


def methods(json_: Annotated[bool, JSON] = False) -> None:
    """The table of methods: paper, exact or not, what a removal costs, what is stored."""
    from fedsift.strategies.registry import METHODS
    from fedsift.studies.comparison.method_tables import methods_tables

    tell([method.facts() for method in METHODS.values()], json_, methods_tables())


@takes(*TRAINING, Group.GRID)
def tune(
    overrides: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    out: Annotated[Path, typer.Option(help="The config.toml to write, with the choice in it.")] = Path("tuned.toml"),
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Choose learning rate and steps on clients that never join; never on members."""
    with errors_in_one_line(NOTHING_WRITTEN):
        settings = settings_of(overrides, config)
        if out.exists() and (config is None or not out.samefile(config)):
            raise BadInput(f"{out} exists already: give another --out")
        from fedsift.studies.tune import tune as search

        chosen = search(settings, progress_bars())
        chosen.write(out)
        told = {"lr": chosen.config.lr, "steps": chosen.config.steps, "pilots": chosen.pilots, "trials": chosen.trials}
        tell(told, json_, [*chosen.why, f"written  {out}; go on with: fedsift run {out}"])


@takes(of=RoundSettings, into="in_rounds")
@takes(*TRAINING, Group.GRID, Group.LEAVERS, "partial_sums")
def compare(
    overrides: dict[str, Any],
    in_rounds: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names a,b,c of `fedsift methods`, or module:Class.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder, new; default runs/001, 002, ...")] = None,
    seeds: Annotated[int | None, SEEDS] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Play merge and removals with several methods on the same clients."""
    with errors_in_one_line(NOTHING_WRITTEN):
        settings, rounds = settings_of(overrides, config), rounds_of(in_rounds)
        from fedsift.studies.comparison.compare import compare as play, default_methods
        from fedsift.studies.comparison.method_tables import comparison_tables

        names = _names(methods) if methods else default_methods(rounds)
        if seeds:
            from fedsift.studies.sweep.commands import Compare

            repeat(Compare(names), {**settings.to_mapping(), **rounds.to_mapping()}, seeds, out, json_)
            return
        with output_folder(out) as folder, errors_in_one_line(f"what is there so far is in {folder}", folder):
            found = play(settings, names, folder, progress_bars(), rounds)
            tell(found, json_, [*comparison_tables(found), f"written  {folder}"])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


@takes(of=RoundSettings, into="in_rounds")
@takes(*TRAINING, Group.GRID, "partial_sums")
def optout(
    overrides: dict[str, Any],
    in_rounds: dict[str, Any],
    scenario: Annotated[str | None, typer.Argument(help="A .toml file, or a ready one by name.")] = None,
    full_oracles: Annotated[int, typer.Option(help="Steps also held against a run of exactly their members.")] = 10,
    evaluate_every: Annotated[int | None, typer.Option(help="Score after so many steps; default: 12 times.")] = None,
    attacks: Annotated[bool, typer.Option("--attacks", help="Also attack the first leavers' examples.")] = False,
    methods: Annotated[str | None, typer.Option(help="What --attacks attacks, as for `fedsift compare`.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard events.")] = False,
    out: Annotated[Path | None, typer.Option(help="Output folder, new or empty; default runs/001, 002, ...")] = None,
    resume: Annotated[Path | None, typer.Option(help="A scenario's folder: go on with it after any stop.")] = None,
    seeds: Annotated[int | None, SEEDS] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Play a scenario of clients that opt out, prove every step, and write a report."""
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.studies.optout import play_scenario as player
        from fedsift.studies.optout.attacks import attack, check_attacked
        from fedsift.studies.optout.scenario import read_scenario, ready_scenarios
        from fedsift.studies.optout.scenario_result import Proof
        from fedsift.studies.report import write_report
        from fedsift.studies.report.drawing import check_matplotlib
        from fedsift.studies.report.outcome import read_outcome
        from fedsift.studies.report.summary import summarise
        from fedsift.studies.report.tensorboard import check_tensorboard, write_events

        given, rounds = overriding(overrides), rounds_of(in_rounds)
        if resume and (scenario or out or seeds or given or rounds != RoundSettings()):
            raise BadInput(
                "--resume takes the scenario's own configuration; give no other option than --attacks, --methods, "
                "--tensorboard and --json"
            )
        if not resume and not scenario:
            raise BadInput(f"give a scenario: a .toml file, or one of {', '.join(ready_scenarios())}")
        attacked = _names(methods) if methods else None
        if not (resume and attacks):  # Then the rounds are the scenario's own.
            check_attacked(attacks, attacked, rounds)
        check_matplotlib()  # Before minutes are spent on what it is to show.
        if tensorboard:
            check_tensorboard()
        if seeds:
            from fedsift.studies.sweep.optout_command import OptOut

            read = read_scenario(str(scenario))
            settings = RunConfig.from_mapping({**read.run, **given}, source="options")
            of_attacks = tuple(attacked) if attacked else None
            command = OptOut(read, full_oracles, evaluate_every, attacks, of_attacks, tensorboard)
            repeat(command, {**settings.to_mapping(), **rounds.to_mapping()}, seeds, out, json_)
            return
        with output_folder(resume or out) as folder, errors_in_one_line(how_to_resume("optout", folder), folder):
            bars = progress_bars()
            if resume:
                result = player.resume(folder, bars)
            else:
                read = read_scenario(str(scenario))
                settings = RunConfig.from_mapping({**read.run, **given}, source="options")
                result = player.play(read, settings, folder, bars, full_oracles, evaluate_every, rounds)
            if attacks:
                result = attack(folder, progress_bars(), attacked)
            files = write_report(folder)
            if tensorboard:
                write_events(folder)
            shown = [*summarise(read_outcome(folder)).sentences, f"report   {files[0]}"]
            tell(result, json_, shown, good=result.verdict == Proof.PROVEN)


@takes(*TRAINING, Group.GRID)
def reproduce(
    overrides: dict[str, Any],
    names: Annotated[list[str] | None, typer.Argument(help="fig3 fig4 ..., or all; without: what there is.")] = None,
    out: Annotated[Path, typer.Option(help="Output folder; trainings there are used again.")] = Path("runs/reproduced"),
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Measure figures of the paper, and questions that it leaves open, on any data and model."""
    with errors_in_one_line(f"trainings so far are in {out}, and will be used again"):
        from fedsift.studies.reproduction.registry import EXPERIMENTS
        from fedsift.studies.reproduction.reproduce import configuration, reproduce as measure

        if not names:
            for experiment in EXPERIMENTS.values():
                say(f"{experiment.name:<14} {experiment.title}")
            return
        given = overriding(overrides)
        chosen = list(EXPERIMENTS) if names == ["all"] else names
        settings = [configuration(name, given) for name in chosen]
        for name, config in zip(chosen, settings, strict=True):
            result = measure(name, config, out, progress_bars())
            if json_:
                say_json(result, indent=None)
                continue
            say(result["title"])
            say(f"paper    {EXPERIMENTS[name].paper_found}")
            for line in f"here     {result['found']}".split("\n"):  # It may end with a table.
                say(line)
            if result["fails_if"]:
                say(f"fails if {result['fails_if']}")
            say(f"written  {out / name}.json, .csv, .svg, .png, .md")
            say("")
