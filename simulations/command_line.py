"""The `fedsift` command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from fedsift.errors import BadInput, FedsiftError, Refused, unknown_name
from fedsift.localisation import LOCALISATIONS
from fedsift.reproducibility import PROFILES
from simulations.configuration import PRESETS, RunConfig, read_toml

if TYPE_CHECKING:
    from simulations.progress import PhaseBars

_INTERRUPTED = 130
_JSON = typer.Option("--json", help="Print JSON instead of a table.")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def fedsift() -> None:
    """Federated simulations with exact unlearning: after a removal, the state is that of a run never joined."""


@app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    dataset: Annotated[str | None, typer.Option(help="people, or a csv, jsonl or parquet file.")] = None,
    client_column: Annotated[str | None, typer.Option(help="Column that names the client.")] = None,
    prompt: Annotated[str | None, typer.Option(help='Template, such as "Question: {question}\\nAnswer:".')] = None,
    target: Annotated[str | None, typer.Option(help="Column with the text to learn.")] = None,
    model: Annotated[str | None, typer.Option(help="people, a folder, or a Hugging Face name.")] = None,
    clients: Annotated[int | None, typer.Option(help="How many clients; 0 for all.")] = None,
    leave: Annotated[str | None, typer.Option(help='Who leaves after the merge: a number, or ids "a,b".')] = None,
    oracle: Annotated[bool | None, typer.Option("--oracle/--no-oracle", help="Also run without the leavers.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps a client.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens after which a row is cut.")] = None,
    bits: Annotated[int | None, typer.Option(help="Bits of a quantised magnitude, 1 to 32.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Share of max-magnitude under which an entry is 0.")] = None,
    localise: Annotated[str | None, typer.Option(help=", ".join(LOCALISATIONS))] = None,
    preset: Annotated[str | None, typer.Option(help="paper: as published (16 bits, paper localisation).")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of all seeds.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray actors; 0 for one a core.")] = None,
    profile: Annotated[str | None, typer.Option(help=f"Reproducibility: {', '.join(PROFILES)}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder, new or empty; default runs/001, 002, ...")] = None,
    resume: Annotated[Path | None, typer.Option(help="A run's folder: go on with it after any stop.")] = None,
    json_: Annotated[bool, _JSON] = False,
) -> None:
    """Simulate: merge all clients, remove those who leave, evaluate."""
    options = locals()
    overrides = {name: value for name, value in options.items() if name in RunConfig.__dataclass_fields__}
    folder = resume or out or next_run_folder()
    with _told_to_people(f"go on with: fedsift run --resume {folder}"):
        settings = _settings(config, preset, overrides)
        if resume and (config or preset or out or any(value is not None for value in overrides.values())):
            raise BadInput("--resume takes the run's own configuration; give no other option than --json")
        with _bars() as bars:
            from simulations import run as simulation  # Seconds of imports, under the bar that says so.

            result = simulation.resume(folder, bars) if resume else simulation.run(settings, folder, bars)
        from simulations.result import print_summary, proven

        if json_:
            typer.echo(json.dumps(result, indent=1))
        else:
            print_summary(Console(), result, folder)
        if not proven(result):
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
        with _bars() as bars:
            from simulations.forget import forget as remove

            told = remove(run, clients, rebuild, bars, bars.console.print)
        from simulations.result import print_removals

        if json_:
            typer.echo(json.dumps(told, indent=1))
        else:
            print_removals(Console(), told, run)
        last_verdict = {removal["client"]: removal["verdict"] for removal in told["removals"]}
        if "REFUSED" in last_verdict.values():
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
        with _bars() as bars:
            from simulations.verify import verify as check

            findings = check(run, oracle, certificate, bars)
        if json_:
            typer.echo(json.dumps({finding.check: finding.problems for finding in findings}, indent=1))
        else:
            from simulations.result import print_findings

            print_findings(Console(), findings)
        if any(finding.problems for finding in findings):
            raise typer.Exit(Refused.exit_code)


def _bars() -> "PhaseBars":
    from simulations.progress import PhaseBars

    return PhaseBars(Console(stderr=True))


def next_run_folder(parent: Path = Path("runs")) -> Path:
    """The first of runs/001, runs/002, ... that does not exist."""
    return next(folder for number in count(1) if not (folder := parent / f"{number:03d}").exists())


def _settings(config: Path | None, preset: str | None, overrides: dict[str, Any]) -> RunConfig:
    """Defaults, then the preset, then the file, then the options."""
    values: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise unknown_name("preset", preset, PRESETS)
        values |= PRESETS[preset]
    if config is not None:
        values |= read_toml(config)
    values |= {name.replace("_", "-"): value for name, value in overrides.items() if value is not None}
    if isinstance(values.get("leave"), str):
        values["leave"] = _leave(values["leave"])
    if "prompt" in overrides and overrides["prompt"] is not None:
        # A shell passes \n on as two characters; in a prompt it means a new line.
        values["prompt"] = overrides["prompt"].replace("\\n", "\n").replace("\\t", "\t")
    return RunConfig.from_mapping(values, source=str(config) if config else "options")


def _leave(text: str) -> int | list[str]:
    """A lone number is how many leave; anything else, ids. A single numeric id is written with a comma: "7,"."""
    if text.strip().isdecimal():
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
    except KeyboardInterrupt:
        typer.echo(f"fedsift: interrupted; {if_interrupted}", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def main() -> None:
    """Entry point of the console script."""
    app()
