"""The `fedsift` command."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from rich.console import Console

from fedsift.errors import BadInput, FedsiftError, Refused, unknown_name
from simulations.configuration import PRESETS, RunConfig, read_toml
from simulations.options import DATA, DATASETS, GRID, MACHINE, MODEL, REMOVAL, TUNING, takes

if TYPE_CHECKING:
    from simulations.progress import PhaseBars

_INTERRUPTED = 130
_JSON = typer.Option("--json", help="Print JSON instead of a table.")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def fedsift() -> None:
    """Federated simulations with exact unlearning."""


@app.command()
@takes(*DATA, *MODEL, *REMOVAL, *TUNING, *GRID, *MACHINE)
def run(
    overrides: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    preset: Annotated[str | None, typer.Option(help="paper: as published (16 bits, paper localisation).")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder, new or empty; default runs/001, 002, ...")] = None,
    resume: Annotated[Path | None, typer.Option(help="A run's folder: go on with it after any stop.")] = None,
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Simulate: merge all clients, remove those who leave, evaluate."""
    folder = resume or out or next_run_folder()
    with _told_to_people(f"go on with: fedsift run --resume {folder}"):
        settings = _settings(config, preset, overrides)
        if resume and (config or preset or out or any(value is not None for value in overrides.values())):
            raise BadInput("--resume takes the run's own configuration; give no other option than --json")
        from simulations import run as simulation
        from simulations.result import print_summary, proven

        bars = _bars()
        result = simulation.resume(folder, bars) if resume else simulation.run(settings, folder, bars)
        if json_:
            typer.echo(json.dumps(result, indent=1))
        else:
            print_summary(Console(), result, folder)
        if not proven(result):
            raise typer.Exit(Refused.exit_code)


@app.command()
@takes(*DATA[1:], *MODEL, *TUNING, *MACHINE)
def check_data(
    overrides: dict[str, Any],
    dataset: Annotated[str, typer.Argument(help=DATASETS)],
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Show what a data set holds, as the model will see it, and train one client twice."""
    with _told_to_people("nothing was written"):
        settings = _settings(None, None, {"dataset": dataset, **overrides})
        from simulations.check_data import check_data as check
        from simulations.result import print_data

        told = check(settings, _bars())
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_data(Console(), told)
        if len(set(told["digests"])) != 1:
            raise typer.Exit(Refused.exit_code)


@app.command()
def forget(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    clients: Annotated[list[str], typer.Argument(help="Members that leave, as one batch.")],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Where a rerun differs, rerun all others.")] = False,
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Remove clients from a run: only they train again."""
    with _told_to_people("the state is that of before or of after; the same command goes on"):
        from simulations.forget import forget as remove
        from simulations.result import print_removals

        bars = _bars()
        told = remove(run, clients, rebuild, bars, bars.console.print)
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_removals(Console(), told, run)
        last_verdict = {removal["client"]: removal["verdict"] for removal in told["removals"]}
        if "REFUSED" in last_verdict.values():
            raise typer.Exit(Refused.exit_code)


@app.command()
def join(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    clients: Annotated[list[str], typer.Argument(help="Clients of the data, new ones or such that left.")],
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Merge clients into a run: only they train."""
    with _told_to_people("the same command goes on with those who have not joined"):
        from simulations.join import join as merge
        from simulations.result import print_joined

        told = merge(run, clients, _bars())
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_joined(Console(), told)
        if told["failures"]:
            raise typer.Exit(Refused.exit_code)


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    oracle: Annotated[bool, typer.Option("--oracle", help="Also retrain every remaining member and compare.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="A certificate to check against the ledger.")] = None,
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Audit a run's ledger."""
    with _told_to_people("nothing was changed"):
        from simulations.result import print_findings
        from simulations.verify import verify as check

        profile, findings = check(run, oracle, certificate, _bars())
        if json_:
            checks = {finding.check: finding.problems for finding in findings}
            typer.echo(json.dumps({"profile": profile, "checks": checks}, indent=1))
        else:
            print_findings(Console(), profile, findings)
        if any(finding.problems for finding in findings):
            raise typer.Exit(Refused.exit_code)


@app.command()
def methods(json_: Annotated[bool, _JSON] = False) -> None:
    """The table of methods: paper, exact or not, what a removal costs, what is stored."""
    from simulations.comparison_table import methods_table
    from strategies.registry import METHODS

    if json_:
        keys = ("name", "title", "paper", "exact", "cost_formula", "storage_formula")
        typer.echo(json.dumps([{key: getattr(method, key) for key in keys} for method in METHODS.values()], indent=1))
    else:
        Console().print(methods_table())


@app.command()
@takes(*DATA, *MODEL, "leave", *TUNING, *GRID, *MACHINE)
def compare(
    overrides: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names a,b,c of `fedsift methods`; default: all.")] = None,
    held_out: Annotated[
        int, typer.Option(help="Further clients that never join, and score what they are served.")
    ] = 10,
    out: Annotated[Path | None, typer.Option(help="Output folder, new; default runs/001, 002, ...")] = None,
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Play merge and removals with several methods on the same clients."""
    folder = out or next_run_folder()
    with _told_to_people(f"what is there so far is in {folder}"):
        settings = _settings(config, None, overrides)
        from simulations.compare import compare as play
        from simulations.comparison_table import comparison_table
        from strategies.registry import METHODS

        names = [name.strip() for name in methods.split(",")] if methods else list(METHODS)
        told = play(settings, names, held_out, folder, _bars())
        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            console = Console()
            console.print(comparison_table(told))
            console.print(f"written  {folder}")


def _bars() -> "PhaseBars":
    from simulations.progress import PhaseBars

    return PhaseBars(Console(stderr=True))


def next_run_folder(parent: Path = Path("runs")) -> Path:
    """The first of runs/001, runs/002, ... that does not exist."""
    return next(folder for number in count(1) if not (folder := parent / f"{number:03d}").exists())


def _settings(config: Path | None, preset: str | None, overrides: dict[str, Any]) -> RunConfig:
    """Defaults, then the file, then the preset, then the options."""
    values: dict[str, Any] = {}
    if config is not None:
        values |= read_toml(config)
    if preset is not None:
        if preset not in PRESETS:
            raise unknown_name("preset", preset, PRESETS)
        values |= PRESETS[preset]
    values |= {name.replace("_", "-"): value for name, value in overrides.items() if value is not None}
    if isinstance(values.get("leave"), str):
        values["leave"] = _leave(values["leave"])
    if isinstance(values.get("choices"), str):
        values["choices"] = [each.strip() for each in values["choices"].split(",")]
    if "prompt" in overrides and overrides["prompt"] is not None:
        # A shell passes \n on as two characters; in a prompt it means a new line.
        values["prompt"] = overrides["prompt"].replace("\\n", "\n").replace("\\t", "\t")
    return RunConfig.from_mapping(values, source=str(config) if config else "options")


def _leave(text: str) -> int | list[str]:
    """A lone number is how many leave; anything else, ids. A single numeric id is written with a comma: "7,"."""
    if text.strip().removeprefix("-").isdecimal():
        return int(text)
    return [each.strip() for each in text.split(",") if each.strip()]


@contextmanager
def _told_to_people(if_interrupted: str) -> Iterator[None]:
    """Errors as one line and an exit code, without a traceback."""
    try:
        yield
    except FedsiftError as error:
        typer.echo(f"fedsift: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except (OSError, sqlite3.Error) as error:  # A full disk, a file that somebody took away.
        typer.echo(f"fedsift: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"fedsift: interrupted; {if_interrupted}", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def main() -> None:
    """Entry point of the console script; a mistake in the options is told in one line, like any other."""
    try:
        sys.exit(app(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        typer.echo(f"fedsift: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(_INTERRUPTED)
