"""Trains and scores clients on Ray workers without a federation around them: any task vector for any client.

The figures of the paper need many merges of the same trainings. So each training is computed once and kept in a file;
merging is arithmetic on these files, and only scores go through the workers.
"""

import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from flwr.app import UserConfig
from numpy.typing import NDArray

from fedsift.client import tune_sign_fixed
from fedsift.client_file import load_task_vector, save_task_vector
from fedsift.fine_tuning import FineTuner
from fedsift.models import load_layout, load_learner
from fedsift.quantisation import QuantisationGrid
from fedsift.reproducibility import PROFILES, make_deterministic
from fedsift.seeds import derive_seed
from fedsift.sign_vector import sign_vector
from fedsift.tasks.task import encode_rows
from simulations.configuration import RunConfig
from simulations.data import choose_clients, load_dataset
from simulations.progress import PhaseBars
from strategies.messages import EVALUATE, POOLED, TRAIN

Vector = NDArray[np.float32]  # a task vector, or magnitudes; shape (n,)
_IN_FLIGHT_PER_WORKER = 2


class Lab:
    """Clients of a configuration, their trainings in a folder, and workers to run them.

    Attributes:
        clients: ids, in the order of the data.
        size: n, the number of tuned parameters.
        signs: the run's sign vector, int8 of shape (n,).
        grid: the run's quantisation grid.
    """

    def __init__(self, config: RunConfig, folder: Path, bars: PhaseBars) -> None:
        """Start no worker yet: `with` does.

        Args:
            config: which clients learn what, and how.
            folder: for the trainings.
            bars: are told of the progress.

        Raises:
            BadInput: the data or the model cannot be had.
        """
        self.config, self._folder, self._bars = config, folder, bars
        self.clients = choose_clients(config, load_dataset(config))
        self.size = load_layout(config.model_settings).size
        self.signs = sign_vector(config.sign_seed, self.size)
        self.grid: QuantisationGrid = config.grid
        self._workers: list[Any] = []
        self._started_ray = False

    def __enter__(self) -> "Lab":
        number = min(self.config.worker_count, len(self.clients))
        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            ray.init(num_cpus=number, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        environment = {**PROFILES[self.config.profile], "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
        options = _Worker.options(runtime_env={"env_vars": environment})  # type: ignore[attr-defined]
        self._workers = [options.remote(self.config.to_user_config()) for _ in range(number)]
        return self

    def __exit__(self, *_: object) -> None:
        self._workers = []
        if self._started_ray:
            ray.shutdown()

    def fine_tuned(self, clients: Sequence[str], steps: int = 0) -> Callable[[str], Vector]:
        """Plain fine-tunings; returns the way to a client's task vector. `steps`: the configuration's for 0."""
        steps = steps or self.config.steps
        return self._trained(clients, f"fine-tuned-{steps}", "fine_tune", steps)

    def sign_fixed(
        self, clients: Sequence[str], steps: int = 0, signs: NDArray[np.int8] | None = None, name: str = ""
    ) -> Callable[[str], Vector]:
        """Sign-fixed tunings; returns the way to a client's magnitudes u >= 0 as tuned, before quantisation.

        Args:
            clients: who tunes.
            steps: the configuration's for 0.
            signs: another sign vector than the run's.
            name: of that one; files are kept under it.
        """
        steps = steps or self.config.steps
        kept = f"sign-fixed-{steps}{name and '-'}{name}"
        return self._trained(clients, kept, "sign_fixed", steps, ray.put(self.signs if signs is None else signs))

    def pooled(self, clients: Sequence[str], steps: int) -> Vector:
        """The task vector of one training on the data of several clients."""
        (vector,) = (result for _, result in self._map("pooled", [("pool", (list(clients), steps))], POOLED))
        return np.asarray(vector, np.float32)

    def scores(
        self, requests: Iterable[tuple[str, Mapping[str, Vector | None]]], total: int
    ) -> dict[str, dict[str, float]]:
        """Client -> name -> score of M0 + tau, of M0 alone for None.

        Args:
            requests: a client with named task vectors; made one by one while workers get free.
            total: how many, for the progress bar.
        """
        calls = ((client_id, (client_id, dict(vectors))) for client_id, vectors in requests)
        return dict(self._map("score", calls, EVALUATE, total))

    def _trained(self, clients: Sequence[str], kept: str, method: str, *arguments: Any) -> Callable[[str], Vector]:
        folder = self._folder / kept
        folder.mkdir(parents=True, exist_ok=True)

        def vector(client_id: str) -> Vector:
            found = load_task_vector(folder, client_id)
            assert found is not None
            return found

        missing = [client_id for client_id in clients if load_task_vector(folder, client_id) is None]
        calls = [(client_id, (client_id, str(folder), *arguments)) for client_id in missing]
        deque(self._map(method, calls, TRAIN, len(calls)), maxlen=0)
        return vector

    def _map(
        self, method: str, calls: Iterable[tuple[str, tuple[Any, ...]]], phase: str, total: int = 1
    ) -> Iterator[tuple[str, Any]]:
        """Call a method of the workers with each tuple of arguments; yields names and results as they come."""
        source = iter(calls)
        pending: dict[Any, tuple[str, Any]] = {}
        free = deque(self._workers * _IN_FLIGHT_PER_WORKER)
        if total:
            self._bars.begin(phase, total)
        while True:
            while free and (call := next(source, None)) is not None:
                worker = free.popleft()
                pending[getattr(worker, method).remote(*call[1])] = call[0], worker
            if not pending:
                return
            (done,), _ = ray.wait(list(pending))
            name, worker = pending.pop(done)
            free.append(worker)
            self._bars.advance(phase)
            yield name, ray.get(done)


@ray.remote(num_cpus=1)
class _Worker:
    """One model, for any client."""

    def __init__(self, run_config: UserConfig) -> None:
        make_deterministic()
        self._config = RunConfig.from_user_config(run_config)
        self._dataset = load_dataset(self._config)
        self._model, self._task = load_learner(self._config.model_settings)
        self._tuner = FineTuner(self._model, self._task, self._config.tuning, self._config.seed)

    def _encoded(self, client_id: str) -> list[Any]:
        return encode_rows(self._task, self._dataset.train_examples(client_id), client_id)

    def fine_tune(self, client_id: str, folder: str, steps: int) -> None:
        save_task_vector(Path(folder), client_id, self._tuner.fine_tune(client_id, self._encoded(client_id), steps))

    def sign_fixed(self, client_id: str, folder: str, steps: int, signs: NDArray[np.int8]) -> None:
        settings = dataclasses.replace(self._config.tuning, steps=steps)
        seed = derive_seed(self._config.seed, "batches", client_id)
        on_device = torch.from_numpy(signs.copy()).to(self._model.weights.device)
        encoded = self._encoded(client_id)
        magnitudes = tune_sign_fixed(self._model, self._task, on_device, encoded, settings, seed)
        save_task_vector(Path(folder), client_id, magnitudes)

    def pooled(self, client_ids: list[str], steps: int) -> Vector:
        encoded = [row for client_id in client_ids for row in self._encoded(client_id)]
        return self._tuner.fine_tune(f"pool of {len(client_ids)}", encoded, steps)

    def score(self, client_id: str, vectors: dict[str, Vector | None]) -> dict[str, float]:
        test = self._tuner.encode(client_id, self._dataset.test_examples(client_id))
        return {name: self._tuner.score(vector, test) for name, vector in vectors.items()}
