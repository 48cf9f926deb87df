"""Commands around a run: simulate, look at data, remove, join, audit."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fedsift.cli.options import JSON, TRAINING, settings_of, takes
from fedsift.cli.terminal import NOTHING_WRITTEN, go_on, progress_bars, told_to_people
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, Refused
from fedsift.core.options import Group
from fedsift.files.output import output_folder


@takes(*Group)
def run(
    overrides: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    preset: Annotated[str | None, typer.Option(help="paper: as published (levels 65535, paper localisation).")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder, new or empty; default runs/001, 002, ...")] = None,
    resume: Annotated[Path | None, typer.Option(help="A run's folder: go on with it after any stop.")] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Simulate: merge all clients, remove those who leave, evaluate."""
    with told_to_people(NOTHING_WRITTEN):
        settings = settings_of(overrides, config, preset)
        if resume and (config or preset or out or any(value is not None for value in overrides.values())):
            raise BadInput("--resume takes the run's own configuration; give no other option than --json")
        from fedsift.runs import run as simulation
        from fedsift.runs.result import print_summary, proven

        with output_folder(resume or out) as folder, told_to_people(go_on("run", folder), folder):
            bars = progress_bars()
            result = simulation.resume(folder, bars) if resume else simulation.run(settings, folder, bars)
            if json_:
                typer.echo(json.dumps(result, indent=1))
            else:
                print_summary(Console(), result, folder)
            if not proven(result):
                raise typer.Exit(Refused.exit_code)


@takes(*TRAINING, without="dataset")
def check_data(
    overrides: dict[str, Any],
    dataset: Annotated[str, typer.Argument(help=RunConfig.options()["dataset"].help)],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Show what a data set holds, as the model will see it, and train one client twice."""
    with told_to_people(NOTHING_WRITTEN):
        settings = settings_of({"dataset": dataset, **overrides})
        from fedsift.runs.check_data import check_data as check
        from fedsift.runs.result import print_data

        told = check(settings, progress_bars())
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_data(Console(), told)
        if len(set(told["digests"])) != 1:
            raise typer.Exit(Refused.exit_code)


def forget(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    clients: Annotated[list[str], typer.Argument(help="Members that leave, as one batch.")],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Where a rerun differs, rerun all others.")] = False,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Remove clients from a run: only they train again."""
    with told_to_people("the state is that of before or of after; the same command goes on"):
        from fedsift.runs.forget import forget as remove
        from fedsift.runs.result import print_removals

        bars = progress_bars()
        told = remove(run, clients, rebuild, bars, bars.console.print)
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_removals(Console(), told, run)
        last_verdict = {removal["client"]: removal["verdict"] for removal in told["removals"]}
        if "REFUSED" in last_verdict.values():
            raise typer.Exit(Refused.exit_code)


def join(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    clients: Annotated[list[str], typer.Argument(help="Clients of the data, new ones or such that left.")],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Merge clients into a run: only they train."""
    with told_to_people("the same command goes on with those who have not joined"):
        from fedsift.runs.join import join as merge
        from fedsift.runs.result import print_joined

        told = merge(run, clients, progress_bars())
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_joined(Console(), told)
        if told["failures"]:
            raise typer.Exit(Refused.exit_code)


def verify(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    oracle: Annotated[bool, typer.Option("--oracle", help="Also retrain every remaining member and compare.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="A certificate to check against the ledger.")] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Audit a run's ledger."""
    with told_to_people("nothing was changed"):
        from fedsift.runs.result import print_findings
        from fedsift.runs.verify import verify as check

        profile, findings = check(run, oracle, certificate, progress_bars())
        if json_:
            checks = {finding.check: finding.problems for finding in findings}
            typer.echo(json.dumps({"profile": profile, "checks": checks}, indent=1))
        else:
            print_findings(Console(), profile, findings)
        if any(finding.problems for finding in findings):
            raise typer.Exit(Refused.exit_code)
