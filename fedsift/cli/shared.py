"""What all commands do alike: read their options, show progress, tell errors."""

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from fedsift.cli.leavers import leavers_given
from fedsift.configuration.run_config import PRESETS, RunConfig, hyphened, read_toml
from fedsift.core.errors import FedsiftError, unknown_name
from fedsift.data.template import unescaped

if TYPE_CHECKING:
    from fedsift.cli.interruptible_bars import InterruptibleBars

INTERRUPTED = 130  # exit code
NOTHING_WRITTEN = "nothing was written"
JSON = typer.Option("--json", help="Print JSON instead of a table.")


def progress_bars() -> "InterruptibleBars":
    """Bars on standard error."""
    from fedsift.cli.interruptible_bars import InterruptibleBars

    return InterruptibleBars(Console(stderr=True))


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


def go_on(command: str, folder: Path) -> str:
    """How to go on with what is in a folder."""
    return f"go on with: fedsift {command} --resume {shlex.quote(str(folder))}"


@contextmanager
def told_to_people(if_stopped: str, out: Path | None = None) -> Iterator[None]:
    """Errors as one line and an exit code, without a traceback.

    Args:
        if_stopped: what to say of a command that was interrupted, or that a full disk and the like stopped.
        out: a folder; while there is nothing in it, nothing was written.
    """

    def advice() -> str:
        return if_stopped if out is None or (out.is_dir() and any(out.iterdir())) else NOTHING_WRITTEN

    try:
        yield
    except FedsiftError as error:
        typer.echo(f"fedsift: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except (OSError, sqlite3.Error) as error:  # A full disk, a file that somebody took away.
        typer.echo(f"fedsift: {error}; {advice()}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"fedsift: interrupted; {advice()}", err=True)
        raise typer.Exit(INTERRUPTED) from None
