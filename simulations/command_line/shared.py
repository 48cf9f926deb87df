"""What all commands do alike: read their options, show progress, tell errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from fedsift.data.template import unescaped
from fedsift.errors import FedsiftError, unknown_name
from simulations.command_line.leavers import leavers_given
from simulations.configuration import PRESETS, RunConfig, hyphened, read_toml

if TYPE_CHECKING:
    from simulations.progress import PhaseBars

INTERRUPTED = 130  # exit code
JSON = typer.Option("--json", help="Print JSON instead of a table.")


def progress_bars() -> "PhaseBars":
    """Bars on standard error."""
    from simulations.progress import PhaseBars

    return PhaseBars(Console(stderr=True))


def next_run_folder(parent: Path = Path("runs")) -> Path:
    """The first of runs/001, runs/002, ... that does not exist."""
    return next(folder for number in count(1) if not (folder := parent / f"{number:03d}").exists())


def settings_of(overrides: dict[str, Any], config: Path | None = None, preset: str | None = None) -> RunConfig:
    """Defaults, then the file, then the preset, then the options."""
    values: dict[str, Any] = {}
    if config is not None:
        values |= read_toml(config)
    if preset is not None:
        if preset not in PRESETS:
            raise unknown_name("preset", preset, PRESETS)
        values |= {hyphened(key): value for key, value in PRESETS[preset].items()}
    return RunConfig.from_mapping({**values, **overriding(overrides)}, source=str(config) if config else "options")


def overriding(overrides: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as keys and values of `RunConfig.from_mapping`."""
    values = {name.replace("_", "-"): value for name, value in overrides.items() if value is not None}
    if "choices" in values:
        values["choices"] = [each.strip() for each in values["choices"].split(",")]
    if "prompt" in values:
        values["prompt"] = unescaped(values["prompt"])
    return leavers_given(values)


@contextmanager
def told_to_people(if_interrupted: str) -> Iterator[None]:
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
        raise typer.Exit(INTERRUPTED) from None
