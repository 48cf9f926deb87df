"""The arm "bare loop": the same trainings and sums in plain processes. No framework can do with less: the floor."""

import hashlib
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig, cores
from fedsift.core.contribution import UploadTerms
from fedsift.core.running_sums import RunningSums
from fedsift.data.loading import load_dataset
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.models import load_head_terms, load_layout, load_model
from fedsift.learning.reproducibility import make_deterministic
from fedsift.runtime.gpu_share import gpus_here, workers_and_share
from fedsift.studies.bench.processes import ArmFailed, answer, set_worker_environment

TUNING = "tuning"  # seconds in tuning and encoding, without sums, in the mean over the processes


def measure(user_config: dict[str, Any]) -> dict[str, Any]:
    """Tune all clients in as many processes as there are workers, and add up the sums of these.

    The clock starts when every process has loaded model and data.
    """
    config = RunConfig.from_user_config(user_config)
    clients = choose_clients(config, load_dataset(config))
    gpus = gpus_here(config)
    workers, _ = workers_and_share(config, len(clients), gpus, cores())
    set_worker_environment(config.profile, gpus)
    spawn = multiprocessing.get_context("spawn")
    taken = spawn.Value("q", 0)
    connections = []
    for _ in range(workers):
        ours, theirs = spawn.Pipe()
        spawn.Process(target=_work, args=(config, clients, taken, theirs), daemon=True).start()
        theirs.close()  # The process then has the only one: if it dies, we hear of it.
        connections.append(ours)
    total, tuning = _empty_sums(config, len(clients)), 0.0
    try:
        for connection in connections:
            connection.recv()
        started = time.perf_counter()
        for connection in connections:
            connection.send("go")
        for connection in connections:
            parts, in_tuning = connection.recv()
            tuning += in_tuning / workers
            for (_, vector), part in zip(total.vectors(), parts, strict=True):
                vector += part
        seconds = time.perf_counter() - started
    except EOFError as error:
        raise ArmFailed("a process of the bare loop died") from error
    sums_hash = hashlib.sha256()
    total.update_hash(sums_hash)
    return {"seconds": seconds, TUNING: tuning, "sums": sums_hash.hexdigest()}


def _work(config: RunConfig, clients: list[str], taken: Any, connection: Connection) -> None:
    """Load, wait for the word, take one client after the other, and send S and C of these, and seconds in tuning."""
    make_deterministic()
    dataset = load_dataset(config)
    model, task = load_model(config.model_settings)
    trainer = LocalTrainer(model, task, _terms(config), config.tuning, config.seed)
    sums, tuning = _empty_sums(config, len(clients)), 0.0
    connection.send("ready")
    connection.recv()
    while True:
        with taken.get_lock():
            place = taken.value
            taken.value += 1
        if place >= len(clients):
            break
        client_id = clients[place]
        started = time.perf_counter()
        upload = trainer.tune(client_id, dataset.train_examples(client_id)).upload
        tuning += time.perf_counter() - started
        sums.add(upload)
    connection.send(([vector for _, vector in sums.vectors()], tuning))


def _terms(config: RunConfig) -> UploadTerms:
    layout = load_layout(config.model_settings)
    head = load_head_terms(config.model_settings)
    return UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid, head)


def _empty_sums(config: RunConfig, capacity: int) -> RunningSums:
    return RunningSums(_terms(config), capacity)


if __name__ == "__main__":
    answer(measure)
