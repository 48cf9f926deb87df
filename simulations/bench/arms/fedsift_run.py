"""The arm "fedsift": the engine of `fedsift run` with evaluation off, in a process of its own."""

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

from flwr.app import UserConfig

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import counted
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.runs.federate import federate, places
from fedsift.runtime.ray_session import ray_session
from fedsift.studies.bench.processes import ArmFailed, answer


def measure(user_config: UserConfig) -> dict[str, Any]:
    """Query all clients, merge all of them into a ledger on disk, and let each keep its mask.

    The clock starts when every worker has loaded model and data.
    """
    config = RunConfig.from_user_config(user_config)
    clients = choose_clients(config, load_dataset(config))
    with tempfile.TemporaryDirectory() as name, ray_session(len(clients), config) as pool:
        ledger, masks = Path(name, "ledger.sqlite"), Path(name, "masks")
        masks.mkdir()
        pool.prepare(user_config)
        started = time.perf_counter()
        outcome = federate(pool, config, places(clients, clients), ledger=ledger, masks=masks)
        seconds = time.perf_counter() - started
        failures = outcome.rounds[0].failures
        if failures:
            raise ArmFailed(f"{counted(len(failures), 'client')} failed: {failures}")
        state = ServerState(Ledger.open(ledger))
        sums_hash = hashlib.sha256()
        state.sums.update_hash(sums_hash)
        state.ledger.close()
    return {"seconds": seconds, "sums": sums_hash.hexdigest()}


if __name__ == "__main__":
    answer(measure)
