"""Processes that do the same thing at the same moment, and on what processes listen."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


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


def listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """Addresses and ports on which processes take connections or datagrams."""
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            found |= {each.laddr for each in process.net_connections("inet") if not each.raddr and each.laddr}
    return {(each.ip, each.port) for each in found}
