"""What all commands do alike on the terminal: progress while they run, errors in one line."""

import dataclasses
import json
import shlex
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsift.core.errors import FedsiftError, Refused

if TYPE_CHECKING:
    from fedsift.cli.interruptible_bars import InterruptibleBars

INTERRUPTED = 130  # exit code
NOTHING_WRITTEN = "nothing was written"


def progress_bars() -> "InterruptibleBars":
    """Bars on standard error."""
    from fedsift.cli.interruptible_bars import InterruptibleBars

    return InterruptibleBars(Console(stderr=True))


def how_to_resume(command: str, folder: Path) -> str:
    """How to go on with what is in a folder."""
    return f"go on with: fedsift {command} --resume {shlex.quote(str(folder))}"


def tell(found: Any, as_json: bool, shown: Iterable[Table | Text | str], good: bool = True) -> None:
    """Print what a command found, as JSON or as people are shown it; where it is not good, end as a refusal does."""
    if as_json:
        typer.echo(json.dumps(found, indent=1, default=dataclasses.asdict))
    else:
        console = Console()
        for each in shown:
            if isinstance(each, str):
                typer.echo(each)
            else:
                console.print(each, soft_wrap=isinstance(each, Text))
    if not good:
        raise typer.Exit(Refused.exit_code)


@contextmanager
def errors_in_one_line(if_stopped: str, out: Path | None = None) -> Iterator[None]:
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
