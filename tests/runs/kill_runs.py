"""Kills runs, with SIGKILL, at moments spread over their life; a program of its own.

python -m tests.runs.kill_runs MODEL FOLDER [RUNS]

A moment is the n-th call of one of the functions through which the server changes something. A run is killed at one,
two or three moments in a row, then goes on undisturbed; its numbers are held against those of one that was not killed.
"""

import dataclasses
import inspect
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.federation.round_log import LoggedRounds
from fedsift.protocol.client_rounds import ClientRounds
from fedsift.runs import ledger_folder, run as simulation
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.result import RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from tests.cli.commands import result_of
from tests.runtime.drifting import DATASET, LEAVERS, drift_in_the_second_round, left_behind, numbers, write_code

RUNS = 24
_WATCHED: list[tuple[Any, Sequence[str]]] = [
    (LedgerFolder, ("create", "sweep", "masks", "write_certificates")),
    (RunFolder, ("write_result",)),
    (
        ServerState,
        ("create", "merge", "merge_sums", "fold", "stage_removal", "commit_removals", "refuse", "serve_slices"),
    ),
    (Ledger, ("set", "append_journal", "insert_member", "write_sums", "clear_journal", "delete_member")),
    (Ledger, ("append_receipt", "scrub", "close")),
    (ClientRounds, ("query", "tell")),
    (LoggedRounds, ("before_removals", "aggregate_evaluate")),
    (Path, ("replace", "unlink")),
    (ledger_folder, ("certify",)),
    (simulation, ("federate",)),
    (RunResult, ("of",)),
]


def count_calls(patch: pytest.MonkeyPatch, before_call: Callable[[], None]) -> None:
    """Do something before each call of what is watched."""

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*arguments: Any, **named: Any) -> Any:
            before_call()
            return function(*arguments, **named)

        return calling

    for owner, names in _WATCHED:
        for name in names:
            found = inspect.getattr_static(owner, name)
            if isinstance(found, classmethod):
                patch.setattr(owner, name, classmethod(watched(found.__func__)))
            else:
                patch.setattr(owner, name, watched(found))


def play(model: str, out: Path, last_call: int, partial_sums: bool) -> None:
    """Make a run or go on with it, in this process, which is killed before a call of what is watched (0: never)."""
    folder, calls = Path.cwd(), 0

    def before_call() -> None:
        nonlocal calls
        calls += 1
        if calls == last_call:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        drift_in_the_second_round(patch, folder / "drifted")
        count_calls(patch, before_call)
        bars = PhaseBars()
        if (out / "config.toml").exists():
            simulation.resume(out, bars)
        else:
            config = RunConfig(dataset=DATASET, model=model, steps=3, workers=1, leave=LEAVERS, oracle=True)
            simulation.run(dataclasses.replace(config, partial_sums=partial_sums), out, bars)
    (folder / "calls").write_text(str(calls), encoding="utf-8")


def in_a_process(model: str, out: Path, last_call: int, partial_sums: bool) -> int:
    """`play` in a process of its own; returns how many calls there were, 0 where it was killed.

    It is forked before this process knows of Ray: to import everything anew would take most of the time.
    """
    child = os.fork()
    if child == 0:
        try:
            os.chdir(out.parent)
            play(model, out, last_call, partial_sums)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return int((out.parent / "calls").read_text(encoding="utf-8")) if status == 0 else 0


def main(model: str, folder: Path, runs: int) -> None:
    """So many runs, a third of them with partial sums."""
    expected, calls, moments = {}, {}, random.Random(0)
    for partial_sums in (False, True):
        out = folder / f"undisturbed-{partial_sums}" / "out"
        out.parent.mkdir(parents=True)
        write_code(out.parent)
        calls[partial_sums] = in_a_process(model, out, 0, partial_sums)
        expected[partial_sums] = numbers(result_of(out)), left_behind(out)
    kills, unequal, started = 0, [], time.monotonic()
    for number in range(runs):
        partial_sums = number % 3 == 2
        first = 1 + round((number + 0.5) / runs * (calls[partial_sums] - 1))  # Spread over the whole life.
        further = [moments.randint(1, calls[partial_sums]) for _ in range(number % 3)]
        out = folder / f"{number}" / "out"
        out.parent.mkdir()
        write_code(out.parent)
        killed = []
        for moment in (first, *further):
            if in_a_process(model, out, moment, partial_sums):
                break
            killed.append(moment)
        in_a_process(model, out, 0, partial_sums)
        kills += len(killed)
        if (numbers(result_of(out)), left_behind(out)) != expected[partial_sums]:
            unequal.append((number, killed))
        print(number, partial_sums, killed, "UNEQUAL" if unequal and unequal[-1][0] == number else "", flush=True)
    seconds = time.monotonic() - started
    told = {"runs": runs, "kills": kills, "calls": list(calls.values()), "unequal": unequal}
    print(json.dumps(told), f"{seconds:.0f} s")
    assert not unequal


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3]) if len(sys.argv) > 3 else RUNS)
