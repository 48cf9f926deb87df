"""What all commands do alike on the terminal: progress while they run, errors in one line."""

import dataclasses
import json
import shlex
import sqlite3
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from fedsift.cli.table_layout import lay_out
from fedsift.cli.termination import TERMINATED, TERMINATION
from fedsift.core.errors import FedsiftError, Refused, visible

if TYPE_CHECKING:
    from fedsift.cli.interruptible_bars import InterruptibleBars

INTERRUPTED = 130  # exit code
NOTHING_WRITTEN = "nothing was written"


def progress_bars() -> "InterruptibleBars":
    """Bars on standard error."""
    from fedsift.cli.interruptible_bars import InterruptibleBars

    return InterruptibleBars(_console(stderr=True))


def how_to_resume(command: str, folder: Path) -> str:
    """How to go on with what is in a folder."""
    return f"go on with: fedsift {command} --resume {shlex.quote(str(folder))}"


def tell(found: Any, as_json: bool, shown: Iterable[Table | Text | str], good: bool = True) -> None:
    """Print what a command found, as JSON or as people are shown it; where it is not good, end as a refusal does."""
    if as_json:
        say_json(found)
    else:
        for each in shown:
            show(each)
    if not good:
        raise typer.Exit(Refused.exit_code)


def say(line: str, err: bool = False) -> None:
    """Print a line; whatever is no printable character in it is shown as Python writes it."""
    typer.echo(visible(line), err=err)


def say_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback: what an exception says may come from anywhere."""
    for lines in traceback.format_exception(kind, error, trace):
        for line in lines.splitlines():
            say(line, err=True)


def say_json(found: Any, indent: int | None = 1) -> None:
    """Print JSON in ASCII, which holds no such character."""
    typer.echo(json.dumps(found, indent=indent, default=dataclasses.asdict))


def show(each: Table | Text | str) -> None:
    """Print a line or a table, whose texts are shown as of `say`. All that commands print comes by here or by `say`."""
    if isinstance(each, str):
        say(each)
        return
    console, shown = _console(), _visible(each)
    if isinstance(each, Table):
        console.width = max(console.width, lay_out(shown, console))
    console.print(shown, soft_wrap=isinstance(each, Text))


def _console(stderr: bool = False) -> Console:
    """One that takes a text as it is: brackets are no styles, colons no pictures."""
    return Console(stderr=stderr, markup=False, emoji=False)


def _visible(each: RenderableType | None) -> Any:
    """What is shown, without what only a terminal would understand; titles and captions may have several lines."""
    if isinstance(each, str):
        return visible(each)
    if isinstance(each, Text):
        each.plain = visible(each.plain)
    if isinstance(each, Table):
        each.title, each.caption = (
            visible(text, kept="\n") if isinstance(text, str) else text for text in (each.title, each.caption)
        )
        for column in each.columns:
            column.header, column._cells = _visible(column.header), [_visible(cell) for cell in column._cells]
    return each


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
        say(f"fedsift: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except (OSError, sqlite3.Error) as error:  # A full disk, a file that somebody took away.
        say(f"fedsift: {error}; {advice()}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        what, code = ("terminated", TERMINATED) if TERMINATION.heard else ("interrupted", INTERRUPTED)
        say(f"fedsift: {what}; {advice()}", err=True)
        raise typer.Exit(code) from None
