"""The arm "fedsift" of the overhead: workers, grid, strategy and ledger as in a run, and no step of training.

As with stock Flower beside it, the server's process has no model and does not import torch.
"""

import dataclasses
import logging
import math
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, UserConfig

from fedsift.core.audit import audit
from fedsift.core.errors import counted
from fedsift.core.ledger import Ledger
from fedsift.core.member import Training
from fedsift.core.server_state import ServerState
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.protocol.scoring import NEVER
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.ray_start import local_ray
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.simulations.bench.arms.ready_made import ready_made
from fedsift.simulations.bench.overhead import LEDGER, PARTS, TERMS
from fedsift.strategies.sift_masks import SiftMasks
from fedsift.studies.bench.processes import ArmFailed, answer, memory

# What it tells: memory before there is a state, and of Ray's object store, MiB; sizes in bytes.
LIBRARIES, SHARED, UPLOAD = "libraries", "shared memory", "upload bytes"
_APP = "fedsift.simulations.bench.arms.overhead_app:app"


def measure(
    user_config: UserConfig, clients: int, workers: int, profile: str, size: int = TERMS.size
) -> dict[str, Any]:
    """Query all clients, and merge a ready-made upload of each, of `size` entries, into a ledger on disk.

    The clock starts when the workers are ready, before there are nodes, a ledger or messages.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with local_ray(workers):
        pool = WorkerPool(_APP, workers, profile)
        pool.prepare(user_config)
        with tempfile.TemporaryDirectory() as folder:
            path, terms = Path(folder, "ledger.sqlite"), dataclasses.replace(TERMS, size=size)
            libraries, started = memory("VmRSS"), time.perf_counter()
            nodes = node_configs({f"client-{number}": number for number in range(clients)})
            state = ServerState.create(path, terms, capacity=clients)
            grid = RayGrid(pool, nodes, user_config)
            if user_config["partial-sums"]:
                grid.partial_merge = PartialMerge(state.terms, state.ledger.checksum_secret)
            strategy = SiftMasks(state, localisations=[], scoring=NEVER)
            strategy.start(grid, ArrayRecord(), num_rounds=1, timeout=math.inf)
            seconds = time.perf_counter() - started
            members, shared = state.members, memory("RssShmem")
            state.ledger.close()
            ledger_bytes = path.stat().st_size
            took = _of_ledger(path) if len(members) == clients and terms == TERMS else {}
    if len(members) != clients:
        raise ArmFailed(f"{len(members)} of {counted(clients, 'client')} were merged: {strategy.rounds[0].failures}")
    return {
        "seconds": seconds,
        LIBRARIES: libraries,
        SHARED: shared,
        LEDGER: ledger_bytes,
        UPLOAD: max(member.upload_bytes for member in members.values()),
        **took,
    }


def _of_ledger(path: Path) -> dict[str, float]:
    """Seconds that it takes to open it, to remove the first client, and to audit it."""
    marks = [time.perf_counter()]
    state = ServerState(Ledger.open(path))
    with state.ledger:
        marks.append(time.perf_counter())
        client_id = "client-0"
        training = Training(data_digest=state.members[client_id].data_digest)
        state.remove(client_id, ready_made(0, TERMS).to_bytes(), training)
        marks.append(time.perf_counter())
        if problems := [problem for finding in audit(state.ledger) for problem in finding.problems]:
            raise ArmFailed(f"the audit finds {problems[0]}")
        marks.append(time.perf_counter())
    return dict(zip(PARTS, (after - before for before, after in pairwise(marks)), strict=True))


if __name__ == "__main__":
    answer(measure)
