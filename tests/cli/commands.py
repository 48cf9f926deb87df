"""The command line, in this process or in one of its own."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from fedsift.cli import app

COMMAND = [sys.executable, "-c", "from fedsift.cli import main; main()"]
# What somebody may have set in the shell that starts commands or Ray; workers run under their profile all the same.
SHELL = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}


def invoke(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command in this process."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def done(*arguments: object) -> str:
    """Standard output of a command in this process that succeeds."""
    code, printed, told = invoke(*arguments)
    assert code == 0, told
    return printed


def failed(*arguments: object, code: int = 2) -> str:
    """Standard error of a command in this process that fails."""
    found, _, told = invoke(*arguments)
    assert found == code, told
    return told


def fedsift(*arguments: object, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A command in a process of its own, in a folder."""
    command, shell = [*COMMAND, *map(str, arguments)], {**os.environ, **SHELL}
    return subprocess.run(command, cwd=folder, env=shell, capture_output=True, text=True, timeout=300, check=False)


def run_until(
    reached: Callable[[], bool],
    command: Sequence[str],
    seconds: float,
    folder: Path | None = None,
    stderr: int = subprocess.DEVNULL,
) -> "subprocess.Popen[str]":
    """A command in a group of processes of its own, running, which has come as far as `reached` within some seconds."""
    shell = {**os.environ, **SHELL}
    process = subprocess.Popen(command, cwd=folder, env=shell, stderr=stderr, text=True, start_new_session=True)
    deadline = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def kill_when(reached: Callable[[], bool], command: Sequence[str], seconds: float, folder: Path | None = None) -> None:
    """Run a command as `run_until` does, and kill it with all that it started."""
    process = run_until(reached, command, seconds, folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def result_of(folder: Path) -> dict[str, Any]:
    """What a run's result.json holds."""
    read: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return read


def receipt_of(certificate: Path) -> dict[str, Any]:
    """What the receipt in a certificate says."""
    envelope = json.loads(certificate.read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["receipt"]
    return found
