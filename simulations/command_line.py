"""The `fedsift` command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.errors import FedsiftError, unknown_name
from fedsift.localisation import LOCALISATIONS
from simulations.configuration import PRESETS, RunConfig, read_toml

_INTERRUPTED = 130

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
    out: Annotated[Path | None, typer.Option(help="Output folder, new or empty; default runs/001, 002, ...")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print result.json instead of the table.")] = False,
) -> None:
    """Simulate: merge all clients, remove those who leave, evaluate."""
    options = locals()
    overrides = {name: value for name, value in options.items() if name in RunConfig.__dataclass_fields__}
    with _told_to_people():
        settings = _settings(config, preset, overrides)
        from rich.console import Console

        from simulations.output_folder import next_run_folder
        from simulations.progress import PhaseBars

        folder = out or next_run_folder()
        with PhaseBars(Console(stderr=True)) as bars:
            from simulations.run import run as simulate  # Seconds of imports, under the bar that says so.

            result = simulate(settings, folder, bars)
        from simulations.result import print_summary, proven

        if json_:
            typer.echo(json.dumps(result, indent=1))
        else:
            print_summary(Console(), result, folder)
        if not proven(result):
            raise typer.Exit(3)


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
def _told_to_people() -> Iterator[None]:
    """Errors as one line and an exit code, without a traceback."""
    try:
        yield
    except FedsiftError as error:
        typer.echo(f"fedsift: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("fedsift: interrupted; nothing was written", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def main() -> None:
    """Entry point of the console script."""
    app()
