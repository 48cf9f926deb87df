"""Kills processes in their work on a ledger; a program of its own, since a small process forks quickly.

python -m tests.core.kill_ledgers FOLDER KILLS
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from fedsift.core.audit import audit
from fedsift.core.ledger import Ledger
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from tests.core.uploads import terms, upload

SIZE = 2000
CLIENTS = 12


def client_upload(client: int) -> bytes:
    levels = random.Random(client)
    return upload([levels.choice([0, 0, 1, 2, 3]) for _ in range(SIZE)])


TRAINING = Training(b"d" * 32, '{"torch": "2"}', 20, 0)
UPLOADS = {f"client {client}": client_upload(client) for client in range(CLIENTS)}
LEAVERS = ["client 1", "client 4", "client 7"]
NEVER_LEAVE = [client for client in UPLOADS if client not in LEAVERS]


def work(path: Path) -> None:
    """Merge all, folding now and then; three leave, one alone and two as a batch. Goes on from where it stands."""
    state = ServerState(Ledger.open(path)) if path.exists() else ServerState.create(path, terms(SIZE), CLIENTS)
    gone = {receipt.body.client for receipt in state.ledger.receipts()}
    for place, (client, data) in enumerate(UPLOADS.items()):
        if client not in state.members and client not in gone:
            state.merge(client, data, TRAINING)
        if place % 5 == 4:
            state.fold()
    for batch in (LEAVERS[:1], LEAVERS[1:]):
        for client in batch:
            if client in state.members:
                state.stage_removal(client, UPLOADS[client], TRAINING)
        state.commit_removals()
    state.ledger.close()


def never_joined() -> bytes:
    state = ServerState.create(None, terms(SIZE), CLIENTS)
    for client in NEVER_LEAVE:
        state.merge(client, UPLOADS[client])
    return state.digest()


def in_a_process(path: Path, kill_after: float | None) -> bool:
    """Run `work` in a process of its own, killed after so many seconds; tells whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            work(path)
            os._exit(0)
        except BaseException:
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def sound(path: Path) -> bool:
    """Whether there is a ledger yet; an audit that writes nothing finds it in order, whatever was going on."""
    if not path.exists():
        return False
    with Ledger.open(path, read_only=True) as ledger:
        assert not [finding for finding in audit(ledger) if finding.problems]
    return True


def undisturbed(path: Path) -> float:
    """Seconds that the whole work takes."""
    start = time.monotonic()
    assert in_a_process(path, None)
    return time.monotonic() - start


def main(folder: Path, wanted: int) -> None:
    """So many kills at random moments of merging, folding and forgetting, several in a row for one ledger."""
    # The shortest of several: where one is held up by a busy machine, hardly any moment would be in time for a kill.
    duration = min(undisturbed(folder / f"undisturbed-{number}.sqlite") for number in range(5))
    expected = never_joined()
    moments = random.Random(0)
    kills = ledgers = audits = 0
    while kills < wanted:
        path = folder / f"{ledgers}.sqlite"
        for _ in range(moments.randint(1, 8)):
            if in_a_process(path, moments.uniform(0, 1.2 * duration)):
                break
            kills += 1
            audits += sound(path)
        assert in_a_process(path, None)
        state = ServerState(Ledger.open(path))
        assert state.digest() == expected
        assert sorted(state.members) == sorted(NEVER_LEAVE)
        assert len(state.ledger.receipts()) == len(LEAVERS)
        state.ledger.close()
        ledgers += 1
    assert ledgers > wanted / 10
    print(f"{kills} kills of {ledgers} ledgers; {audits} audited right after, no false alarm")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
