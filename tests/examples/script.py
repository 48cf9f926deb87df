"""An example's run.sh, line by line in this process: the workers of the tests, and no start of a program for each."""

import io
import runpy
import shlex
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.cli.commands import done, failed

SHORT = ("--clients", "6", "--newcomers", "2", "--steps", "2")


def play(script: Path) -> str:
    """Run a script of `fedsift`, `python` and `cp` in the current folder, in short; returns what it prints.

    `COMMAND && exit 1 || ...` has to end with 3: something does not hold.
    """
    printed = []
    for line in script.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0] in ("set", "cd"):
            continue
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
        return done(*arguments, *(SHORT if arguments[0] in ("run", "optout") else ()))
    if program == "cp":
        shutil.copy(*arguments)
        return ""
    assert program == "python"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as told:
        patch.setattr(sys, "argv", arguments)
        patch.syspath_prepend(Path.cwd())  # as Python does for a script
        runpy.run_path(arguments[0], run_name="__main__")
    return told.getvalue()
