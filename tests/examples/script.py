"""An example's run.sh, line by line in this process: the workers of the tests, and no start of a program for each."""

import io
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import click
import pytest
import typer

from fedsift.cli import app
from tests.cli.commands import done, failed

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = typer.main.get_command(app)


def commands_in(text: str) -> Iterator[list[str]]:
    """The commands of a script, without what prepares the shell."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] not in ("set", "cd"):
            yield words


def play(script: Path) -> str:
    """Run a script of `fedsift`, `python` and `cp` in the current folder; returns all that it prints to the terminal.

    `COMMAND && exit 1 || ...` has to end with 3: something does not hold.
    """
    printed = []
    for words in commands_in(script.read_text(encoding="utf-8")):
        if "&&" in words:
            failed(*words[1 : words.index("&&")], code=3)
            continue
        words, target = (words[:-2], Path(words[-1])) if ">" in words else (words, None)
        told = _run(words[0], words[1:])
        if target is None:
            printed.append(told)
        else:
            target.write_text(told, encoding="utf-8")
    return "".join(printed)


def _run(program: str, arguments: list[str]) -> str:
    if program == "fedsift":
        return done(*arguments)
    if program == "cp":
        shutil.copy(*arguments)
        return ""
    assert program == "python"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as told:
        patch.setattr(sys, "argv", arguments)
        runpy.run_path(arguments[0], run_name="__main__")
    return told.getvalue()


def check_options(words: list[str]) -> None:
    """See that the command line takes a command of `fedsift` as it is written; nothing is run."""
    assert isinstance(COMMANDS, click.Group)
    COMMANDS.commands[words[1]].make_context(words[1], words[2:])
