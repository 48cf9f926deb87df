"""The command line, in this process or in one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from simulations.command_line import app

COMMAND = [sys.executable, "-c", "from simulations.command_line import main; main()"]


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command in this process."""
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def fedsift(*arguments: object, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A command in a process of its own, in a folder."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def result_of(folder: Path) -> dict[str, Any]:
    """What a run's result.json holds."""
    read: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return read
