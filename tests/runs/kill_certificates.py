"""Kills removals, with SIGKILL, before lines that write ledger and certificates; a program that forks quickly.

python -m tests.runs.kill_certificates FOLDER [EVERY]

A removal of two clients and one of a third are killed before the n-th line, for every n or every so manieth one; then
the next command works on the run. Prints what came of it as JSON.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core import ledger_file, sealed_tables
from fedsift.core.certificate import certify
from fedsift.core.ledger import Ledger
from fedsift.core.receipt_log import ReceiptLog
from fedsift.core.server_state import ServerState
from fedsift.runs import certificates, ledger_folder, older_ledger
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.older_ledger import certificate_problems
from tests.core.uploads import terms, upload

UPLOADS = {f"client {number}": upload([number % 4, 1, 0, 2]) for number in range(5)}
REMOVALS = (("client 0", "client 1"), ("client 3",))
_MODULES = (certificates, ledger_folder, older_ledger, ledger_file, sealed_tables, sys.modules[Ledger.__module__])
_WATCHED = {module.__file__ for module in _MODULES}


def remove(folder: LedgerFolder, clients: tuple[str, ...]) -> None:
    """What `forget` does with a ledger and its certificates; who has left already is left out."""
    with folder.locked(leaving=clients):
        folder.write_certificates()
        with Ledger.open(folder.ledger, key=folder.signing_key()) as ledger:
            state = ServerState(ledger)
            for client in clients:
                if client in state.members:
                    state.stage_removal(client, UPLOADS[client])
            state.commit_removals()
        folder.write_certificates()


def killed(folder: LedgerFolder, line: int) -> bool:
    """Make the removals in a process of its own, which is killed before a line; tells whether it came so far."""
    child = os.fork()
    if child == 0:
        lines = 0

        def watch(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal lines
            if frame.f_code.co_filename not in _WATCHED:
                return None
            if event == "line":
                lines += 1
                if lines == line:
                    os.kill(os.getpid(), signal.SIGKILL)
            return watch

        try:
            sys.settrace(watch)
            for clients in REMOVALS:
                remove(folder, clients)
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"line {line}"
    return os.WIFSIGNALED(status)


def main(parent: Path, every: int) -> None:
    """All lines, or every so manieth one, from the first on."""
    first = LedgerFolder.create(parent / "first", RunConfig())
    state = ServerState.create(first.ledger, terms(4), len(UPLOADS), key=first.signing_key())
    for client, each in UPLOADS.items():
        state.merge(client, each)
    state.ledger.close()
    found = {"kills": 0, "between": 0, "skipped": 0, "wrong": 0}
    line = 1
    while True:
        folder = LedgerFolder(parent / "run")
        shutil.copytree(first.path, folder.path)
        if not killed(folder, line):
            break
        found["kills"] += 1
        with Ledger.open(folder.ledger) as ledger:
            found["between"] += len(ledger.receipts()) > len(folder.certificates.numbers())
        with folder.locked():  # the next command, whatever it is
            folder.write_certificates()
        with Ledger.open(folder.ledger) as ledger:
            log = ReceiptLog.of(ledger)
            numbers = folder.certificates.numbers()
            found["skipped"] += numbers != [*range(1, len(log) + 1)]
            found["wrong"] += bool([*certificate_problems(ledger, folder.certificates, len(log))])
        before = [folder.certificates.file(number).read_bytes() for number in numbers]
        for clients in REMOVALS:
            remove(folder, clients)
        with Ledger.open(folder.ledger) as ledger:
            log, key = ReceiptLog.of(ledger), folder.signing_key()
        written = [folder.certificates.file(number).read_bytes() for number in folder.certificates.numbers()]
        found["skipped"] += len(log) != 3
        found["wrong"] += written != [certify(log.certificate(number), key).encode() for number in (1, 2, 3)]
        found["wrong"] += written[: len(before)] != before
        shutil.rmtree(folder.path)
        line += every
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
