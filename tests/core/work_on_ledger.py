"""Works on a ledger until its standard input ends: python -m tests.core.work_on_ledger LEDGER."""

import select
import sys
from itertools import count
from pathlib import Path

from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from tests.core.test_hostile_ledgers import KEY, TRAINING, levels_of
from tests.core.uploads import upload


def work(path: Path) -> None:
    """Clients join and leave, in ever new sittings."""
    print(flush=True)
    for sitting in count():
        if select.select([sys.stdin], [], [], 0)[0]:
            return
        state = ServerState(Ledger.open(path, key=KEY))
        for client in range(4):
            state.merge(f"client {client}", upload(levels_of(client)), TRAINING)
            if sitting % 2:
                state.fold()
        for client in range(3):
            state.stage_removal(f"client {client}", upload(levels_of(client)), TRAINING)
        state.commit_removals()
        state.remove("client 3", upload(levels_of(3)), TRAINING)
        state.ledger.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
