"""Processes that do the same thing at the same moment."""

import subprocess
import sys
from pathlib import Path
from typing import Any


def together(imports: str, work: str, processes: int, *arguments: object, folder: Path | None = None) -> list[str]:
    """What each of several processes prints that have all imported what they need before any begins to work."""
    code = f"import sys\n{imports}\nprint('ready', flush=True)\nsys.stdin.readline()\n{work}"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [subprocess.Popen(command, cwd=folder, text=True, **pipes) for _ in range(processes)]
    for each in started:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    for each in started:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    return [each.communicate(timeout=60)[0] for each in started]
