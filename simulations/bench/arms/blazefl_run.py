"""The arm "BlazeFL": its pool of processes with FedAvg, one round over all clients; runs in an environment that has it.

As its own benchmark runs on a Python with a global lock: `ProcessPoolClientTrainer` hands clients to forked processes,
the model goes down and updates come up in shared memory, one buffer a client, and the server keeps all updates until it
takes their mean. At its best: model and data are loaded before the fork, so that no process loads them again, and only
tuned parameters travel, as a task vector, where its `FedAvg*ClientTrainer` sends all weights. Training is plain
fine-tuning by the same code as stock Flower's.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as mp
from blazefl.contrib.fedavg import (
    FedAvgBaseServerHandler,
    FedAvgDownlinkPackage,
    FedAvgProcessPoolUplinkPackage,
)
from blazefl.core import IPCMode, ProcessPoolClientTrainer, SHMHandle

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import counted
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.models import load_model
from fedsift.learning.reproducibility import make_deterministic
from fedsift.studies.bench.processes import ArmFailed, answer


@dataclass(frozen=True)
class _ClientConfig:
    """What a process needs to know of a client; the rest it has from the fork."""

    run: RunConfig
    client_id: str
    cid: int


@lru_cache(maxsize=1)
def _loaded(config: RunConfig) -> tuple[FineTuner, FederatedDataset]:
    make_deterministic()
    model, task = load_model(config.model_settings)
    return FineTuner(model, task, config.tuning, config.seed), load_dataset(config)


class _Trainer(
    ProcessPoolClientTrainer[  # type: ignore[misc]  # Where this is checked, there is no BlazeFL.
        FedAvgProcessPoolUplinkPackage, FedAvgDownlinkPackage, _ClientConfig
    ]
):
    """BlazeFL's pool, with fedsift's fine-tuning as what a client does."""

    ipc_mode = IPCMode.SHARED_MEMORY

    def __init__(self, config: RunConfig, clients: Sequence[str], parameters: int) -> None:
        self.num_parallels, self.device, self.device_count = min(config.worker_count, len(clients)), "cpu", 0
        self.cache: list[FedAvgProcessPoolUplinkPackage] = []
        self.stop_event = mp.Manager().Event()
        self._config, self._clients, self._parameters = config, clients, parameters

    def get_client_config(self, cid: int) -> _ClientConfig:
        """By its place among the clients."""
        return _ClientConfig(self._config, self._clients[cid], cid)

    def prepare_uplink_package_buffer(self) -> FedAvgProcessPoolUplinkPackage:
        """Where one client's update will be written."""
        return FedAvgProcessPoolUplinkPackage(-1, torch.empty(self._parameters), 0)

    @staticmethod
    def worker(
        config: _ClientConfig,
        payload: FedAvgDownlinkPackage,
        device: str,
        stop_event: Any,
        *,
        shm_buffer: FedAvgProcessPoolUplinkPackage | None = None,
    ) -> FedAvgProcessPoolUplinkPackage:
        """Fine-tune one client from the task vector sent."""
        assert shm_buffer is not None
        tuner, dataset = _loaded(config.run)
        rows = dataset.train_examples(config.client_id)
        encoded = tuner.encode(config.client_id, rows)
        update = tuner.fine_tune(config.client_id, encoded, start=payload.model_parameters.numpy())
        shm_buffer.model_parameters.copy_(torch.from_numpy(update))
        return FedAvgProcessPoolUplinkPackage(config.cid, SHMHandle(), len(rows))

    def uplink_package(self) -> list[FedAvgProcessPoolUplinkPackage]:
        """What clients sent since it was last asked for."""
        packages, self.cache = self.cache, []
        return packages


def measure(user_config: dict[str, Any]) -> dict[str, Any]:
    """One round from the base model; the clock starts when model and data are loaded."""
    config = RunConfig.from_user_config(user_config)
    mp.set_start_method("fork")
    tuner, dataset = _loaded(config)
    clients = choose_clients(config, dataset)
    for client_id in clients[:1]:  # What is loaded at first use.
        tuner.fine_tune(client_id, tuner.encode(client_id, dataset.train_examples(client_id)), steps=1)
    trainer = _Trainer(config, clients, tuner.layout.size)
    started = time.perf_counter()
    broadcast = FedAvgDownlinkPackage(torch.zeros(tuner.layout.size))
    trainer.local_process(broadcast, list(range(len(clients))))
    packages = trainer.uplink_package()
    updates, rows = [each.model_parameters for each in packages], [each.data_size for each in packages]
    mean = FedAvgBaseServerHandler.aggregate(updates, rows)
    seconds = time.perf_counter() - started
    if len(packages) != len(clients):
        raise ArmFailed(f"BlazeFL: {len(packages)} of {counted(len(clients), 'client')} answered")
    norm = float(np.linalg.norm(mean.numpy().astype(np.float64)))
    return {"seconds": seconds, "norm": norm, "version": version("blazefl")}


if __name__ == "__main__":
    answer(measure)
