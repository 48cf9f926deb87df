"""The arm "pfl-research": Apple's simulated backend with FedAvg, one central iteration over all clients.

It runs as its authors run it on several cores: `torchrun` starts a process a core, each trains its share of the cohort,
and an all-reduce adds up. Loss, batches and steps are those of plain fine-tuning here; pfl keeps parameters apart, so
its Adam has several tensors where ours has one. `metrics` costs nothing, so that pfl's evaluation of each client before
and after training, which its first iteration always makes, does not count.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from flwr.app import UserConfig
from torch import Tensor, nn

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.seeds import derive_seed
from fedsift.data.loading import load_dataset
from fedsift.learning.models import load_model
from fedsift.learning.reproducibility import make_deterministic
from fedsift.learning.tasks.task import Task, encode_rows, training_steps
from fedsift.studies.bench.processes import ArmFailed, answer, set_worker_environment


def measure(user_config: UserConfig) -> dict[str, Any]:
    """Run the processes; the clock starts when each has loaded model and data."""
    config = RunConfig.from_user_config(user_config)
    workers = min(config.worker_count, len(choose_clients(config, load_dataset(config))))
    set_worker_environment(config.profile)
    with TemporaryDirectory() as folder:
        order, result = Path(folder, "order.json"), Path(folder, "result.json")
        order.write_text(json.dumps(user_config), encoding="utf-8")
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
        command = [*torchrun, "-m", "fedsift.simulations.bench.arms.pfl_research", str(order), str(result)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not result.exists():
            errors = [line for line in done.stderr.splitlines() if "Error" in line]
            raise ArmFailed(errors[0] if errors else f"torchrun ended with exit status {done.returncode}")
        told: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return told


class _Learner(nn.Module):
    """A task's model as pfl wants it; a batch is the number of a step."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model, self._task = model, task

    def loss(self, number: Tensor, steps: list[list[tuple[Any, float]]]) -> Tensor:
        """Of one step's micro-batches."""
        losses = [self._task.loss(self.model, batch) * share for batch, share in steps[int(number)]]
        return torch.stack(losses).sum()

    def metrics(self, number: Tensor) -> dict[str, Any]:
        """Nothing is measured."""
        from pfl.metrics import Weighted

        return {"steps": Weighted(0, len(number))}


def _work(order: Path, result: Path) -> None:
    """One process of torchrun's."""
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.algorithm.base import NNAlgorithmParams
    from pfl.algorithm.federated_averaging import FederatedAveraging
    from pfl.data.dataset import Dataset
    from pfl.data.federated_dataset import FederatedDataset
    from pfl.data.sampling import MinimizeReuseUserSampler
    from pfl.hyperparam import NNTrainHyperParams
    from pfl.internal.ops.pytorch_ops import distributed
    from pfl.model.pytorch import PyTorchModel

    make_deterministic()
    config = RunConfig.from_user_config(json.loads(order.read_text(encoding="utf-8")))
    data = load_dataset(config)
    clients = choose_clients(config, data)
    flat, task = load_model(config.model_settings)
    learner = _Learner(flat.module, task)

    def user_data(client_id: str) -> Any:
        encoded = encode_rows(task, data.train_examples(client_id), client_id)
        seed = derive_seed(config.seed, "batches", client_id)
        steps = list(training_steps(task, encoded, config.steps, config.batch_size, config.micro_batch, seed))
        return Dataset([np.arange(config.steps)], user_id=client_id, train_kwargs={"steps": steps})

    def adam(parameters: Any, lr: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=lr, betas=config.tuning.betas, fused=True)

    users = FederatedDataset(user_data, MinimizeReuseUserSampler(clients))
    tuned = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    model = PyTorchModel(learner, adam, torch.optim.SGD(tuned, lr=1.0))
    distributed.all_reduce([torch.zeros(1)])  # All have loaded.
    started = time.perf_counter()
    FederatedAveraging().run(
        NNAlgorithmParams(1, evaluation_frequency=1, train_cohort_size=len(clients), val_cohort_size=0),
        SimulatedBackend(users, users),
        model,
        NNTrainHyperParams(local_batch_size=1, local_num_epochs=1, local_learning_rate=config.lr),
        send_metrics_to_platform=False,
    )
    seconds = time.perf_counter() - started
    if distributed.global_rank == 0:
        result.write_text(json.dumps({"seconds": seconds}), encoding="utf-8")


if __name__ == "__main__":
    if "LOCAL_RANK" in os.environ:
        _work(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        answer(measure)
