"""Commands that evaluate: methods side by side, clients that opt out, the paper's figures."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.cli.options import (
    CONFIG,
    JSON,
    OUT,
    TRACK,
    TRACK_LOSSES,
    TRAINING,
    overriding,
    rounds_of,
    settings_of,
    takes,
)
from fedsift.cli.sweep_command import SEEDS, repeat
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, how_to_resume, progress_bars, say, say_json, tell
from fedsift.configuration.named_files import new_configuration
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import REPRODUCED
from fedsift.core.errors import BadInput
from fedsift.core.options import Group
from fedsift.core.tracking import Tracking
from fedsift.files.output import check_file, output_folder


def methods(json_: Annotated[bool, JSON] = False) -> None:
    """List the methods, and what a removal costs with each.

    With paper, whether it is exact, and what the server stores.
    """
    from fedsift.strategies.registry import METHODS
    from fedsift.studies.comparison.method_tables import methods_tables

    tell([method.facts() for method in METHODS.values()], json_, methods_tables())


@takes(*TRAINING, Group.GRID)
def tune(
    overrides: dict[str, Any],
    config: Annotated[Path | None, CONFIG] = None,
    out: Annotated[Path, typer.Option(help="The config.toml to write, with the choice in it.")] = Path("tuned.toml"),
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Choose lr and steps on clients that never join.

    Never on members: a setting that a member had a say in would be left behind when it leaves.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        settings = settings_of(overrides, config)
        if out.exists() and (config is None or not out.samefile(config)):
            raise BadInput(f"{out} exists already: give another --out")
        check_file(out)
        from fedsift.studies.tune import tune as search

        chosen = search(settings, progress_bars())
        chosen.write(out)
        told = {"lr": chosen.config.lr, "steps": chosen.config.steps, "pilots": chosen.pilots, "trials": chosen.trials}
        tell(told, json_, [*chosen.why, f"written  {out}; go on with: fedsift run {out}"])


@takes(*TRAINING, Group.GRID, Group.LEAVERS, "partial_sums")
@takes(of=RoundSettings, into="in_rounds")
def compare(
    overrides: dict[str, Any],
    in_rounds: dict[str, Any],
    config: Annotated[Path | None, CONFIG] = None,
    methods: Annotated[str | None, typer.Option(help="Names a,b,c of `fedsift methods`, or module:Class.")] = None,
    out: Annotated[Path | None, OUT] = None,
    seeds: Annotated[int | None, SEEDS] = None,
    track: Annotated[str | None, TRACK] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Compare unlearning methods on the same clients.

    Each merges all clients, and then removes those who leave (--leave-count, or --leave).
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        settings, rounds = settings_of(overrides, config), rounds_of(in_rounds)
        from fedsift.runs.trackers import track_of
        from fedsift.studies.comparison.compare import compare as play, default_methods
        from fedsift.studies.comparison.method_tables import comparison_tables

        names = _names(methods) if methods else default_methods(rounds)
        tracked = track_of(track)
        if seeds:
            from fedsift.studies.sweep.commands import Compare

            repeat(Compare(names), {**settings.to_mapping(), **rounds.to_mapping()}, seeds, out, json_, tracked)
            return
        anew = "a comparison begins anew, with another --out; finished methods are in {}"
        with output_folder(out) as folder, errors_in_one_line(anew.format(folder), folder):
            found = play(settings, names, folder, progress_bars(), rounds, tracked)
            tell(found, json_, [*comparison_tables(found), f"written  {folder}"])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


@takes(*TRAINING, Group.GRID, "partial_sums")
@takes(of=RoundSettings, into="in_rounds")
def optout(
    overrides: dict[str, Any],
    in_rounds: dict[str, Any],
    scenario: Annotated[str | None, typer.Argument(help="A .toml file, or the name of a ready scenario.")] = None,
    full_oracles: Annotated[int, typer.Option(help="Steps also compared with a run of exactly their members.")] = 10,
    evaluate_every: Annotated[int | None, typer.Option(help="Score after every N steps; else 12 times in all.")] = None,
    attacks: Annotated[bool, typer.Option("--attacks", help="Also attack the rows of the first leavers.")] = False,
    methods: Annotated[str | None, typer.Option(help="What --attacks attacks, as for `fedsift compare`.")] = None,
    out: Annotated[Path | None, OUT] = None,
    resume: Annotated[Path | None, typer.Option(help="A scenario's folder: go on with it after any stop.")] = None,
    seeds: Annotated[int | None, SEEDS] = None,
    track: Annotated[str | None, TRACK] = None,
    track_losses: Annotated[bool, TRACK_LOSSES] = False,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Play clients that opt out, prove each step, report.

    A scenario says who leaves, comes back or misbehaves, and when; without one, those that are ready are named. Options
    override what it says of the run. The state after each step is compared with runs in which those who left never
    were.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.runs.trackers import track_of
        from fedsift.studies.optout import play_scenario as player
        from fedsift.studies.optout.attacks import attack, check_attacked
        from fedsift.studies.optout.scenario import read_scenario, ready_scenarios
        from fedsift.studies.optout.scenario_result import Proof
        from fedsift.studies.report import check_report, write_report
        from fedsift.studies.report.outcome import read_outcome
        from fedsift.studies.report.summary import summarise

        given, rounds = overriding(overrides), rounds_of(in_rounds)
        if resume and (scenario or out or seeds or given or rounds != RoundSettings()):
            file = shlex.quote(str(resume / "scenario.toml"))
            raise BadInput(
                "--resume takes the scenario's own configuration; give no other option than --attacks, --methods, "
                f"--track and --json. To change more, play it again: fedsift optout {file} --out ANOTHER, with the "
                "options that it had"
            )
        if not resume and not scenario:
            raise BadInput(f"give a scenario: a .toml file, or one of {', '.join(ready_scenarios())}")
        attacked = _names(methods) if methods else None
        if not (resume and attacks):  # Then the rounds are the scenario's own.
            check_attacked(attacks, attacked, rounds)
        check_report()
        tracked = track_of(track, track_losses)
        if seeds:
            from fedsift.studies.sweep.optout_command import OptOut

            read = read_scenario(str(scenario))
            settings = new_configuration({**read.run, **given}, source="options")
            of_attacks = tuple(attacked) if attacked else None
            command = OptOut(read, full_oracles, evaluate_every, attacks, of_attacks)
            repeat(command, {**settings.to_mapping(), **rounds.to_mapping()}, seeds, out, json_, tracked)
            return
        with output_folder(resume or out) as folder, errors_in_one_line(how_to_resume("optout", folder), folder):
            bars = progress_bars()
            with Tracking(tracked, bars.warn) as tracking:
                if resume:
                    result = player.resume(folder, bars, attacks, tracking)
                else:
                    read = read_scenario(str(scenario))
                    settings = new_configuration({**read.run, **given}, source="options")
                    asked = full_oracles, evaluate_every, rounds, attacks
                    result = player.play(read, settings, folder, bars, *asked, tracking)
                if attacks:
                    result = attack(folder, progress_bars(), attacked)
                files = write_report(folder)
                tracking.add_files(folder, files)
            shown = [*summarise(read_outcome(folder)).sentences, f"report   {files[0]}"]
            tell(result, json_, shown, good=result.verdict == Proof.PROVEN)


@takes(*TRAINING, Group.GRID, defaults={**REPRODUCED, "clients": "what the experiment says"})
def reproduce(
    overrides: dict[str, Any],
    names: Annotated[list[str] | None, typer.Argument(help="fig3 fig4 ..., or all.")] = None,
    out: Annotated[Path, typer.Option(help="Output folder; trainings in it are used again.")] = Path("runs/reproduced"),
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Measure the figures of the paper again.

    And questions that it leaves open, on any data and model. Without a name: a list of what there is.
    """
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
