"""Trains and scores clients on Ray workers without a federation around them: any task vector for any client.

The figures of the paper need many merges of the same trainings. So each training is computed once and kept in a file;
merging is arithmetic on these files, and only scores go through the workers.

A file's name holds the digest of all that decides the training's bits: who trains on which rows, M0, the settings, and
where it ran. So a folder of them can be used again whatever has changed since. What a task of the user's own computes
has no digest: its trainings are used again by the process that ran them only.
"""

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import ray
import torch
from flwr.app import UserConfig
from numpy.typing import NDArray
from ray.exceptions import RayTaskError

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.client_file import load_task_vector, save_task_vector, task_vector_file
from fedsift.core.errors import FedsiftError
from fedsift.core.examples import Row, rows_digest
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.seeds import derive_seed
from fedsift.core.sign_vector import sign_vector
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.local_trainer import tune_sign_fixed
from fedsift.learning.models import load_layout, load_learner
from fedsift.learning.reproducibility import environment_fingerprint, make_deterministic, worker_environment
from fedsift.learning.tasks.causal_lm import CausalLanguageModelling
from fedsift.learning.tasks.seq2seq import Seq2SeqLanguageModelling
from fedsift.learning.tasks.task import encode_rows, to_device
from fedsift.learning.tuning_settings import TuningSettings
from fedsift.protocol.messages import EVALUATE, POOLED, TRAIN
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_start import start_ray

Vector = NDArray[np.float32]  # a task vector, or magnitudes; shape (n,)
_IN_FLIGHT_PER_WORKER = 2
_THIS_PROCESS = uuid4().hex


class FineTuning(NamedTuple):
    """A plain fine-tuning on rows of whatever clients.

    Attributes:
        name: from which the order of the rows derives.
        rows: what to tune on.
        steps: how many.
        start: the task vector to start from, shape (n,); M0 for None.
        lr_factor: of the configuration's learning rate.
    """

    name: str
    rows: Sequence[Row]
    steps: int
    start: Vector | None = None
    lr_factor: float = 1.0


class _Training(NamedTuple):
    """A training that is kept.

    Attributes:
        clients: whose rows it is on, in their order.
        settings: what else decides its bits, as JSON takes it.
        arguments: further ones of the workers' method.
    """

    clients: Sequence[str]
    settings: tuple[Any, ...]
    arguments: tuple[Any, ...]


class Lab:
    """Clients of a configuration, their trainings in a folder, and workers to run them.

    Attributes:
        clients: ids, in the order of the data.
        layout: of the tuned parameters.
        size: n, the number of tuned parameters.
        signs: the run's sign vector, int8 of shape (n,).
        grid: the run's quantisation grid.
    """

    def __init__(self, config: RunConfig, folder: Path, bars: PhaseBars) -> None:
        """Start no worker yet: they start with the first call, within `with`.

        Args:
            config: which clients learn what, and how.
            folder: for the trainings.
            bars: are told of the progress.

        Raises:
            BadInput: the data or the model cannot be had.
        """
        self.config, self._folder, self._bars = config, folder, bars
        self.clients = choose_clients(config, load_dataset(config))
        self.layout = load_layout(config.model_settings)
        self.size = self.layout.size
        self.signs = sign_vector(config.sign_seed, self.size)
        self.grid: QuantisationGrid = config.grid
        self._workers: list[Any] = []
        self._started_ray = False
        self._rows_digests: dict[str, str] = {}
        self._origin = ""

    def __enter__(self) -> "Lab":
        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            start_ray(self._number)
        return self

    @property
    def _number(self) -> int:
        return min(self.config.worker_count, len(self.clients))

    def _running(self) -> list[Any]:
        if self._workers:
            return self._workers
        environment = worker_environment(self.config.profile, gpus=0)
        options = _Worker.options(runtime_env={"env_vars": environment})  # type: ignore[attr-defined]
        self._workers = [options.remote(self.config.to_user_config(), _THIS_PROCESS) for _ in range(self._number)]
        return self._workers

    def __exit__(self, *_: object) -> None:
        self._workers = []
        if self._started_ray:
            ray.shutdown()

    def fine_tuned(self, clients: Sequence[str], steps: int = 0) -> Callable[[str], Vector]:
        """Plain fine-tunings; returns the way to a client's task vector. `steps`: the configuration's for 0."""
        steps = steps or self.config.steps
        settings = (self._plain_tuning(steps),)
        calls = {client_id: _Training([client_id], settings, (steps,)) for client_id in clients}
        return self._trained(f"fine-tuned-{steps}", "fine_tune", calls)

    def _plain_tuning(self, steps: int) -> dict[str, Any]:
        """Of the settings, those that a plain fine-tuning goes by."""
        return dataclasses.asdict(dataclasses.replace(self.config.tuning, steps=steps, commit_share=0.0))

    def sign_fixed(
        self,
        clients: Sequence[str],
        steps: int = 0,
        signs: NDArray[np.int8] | None = None,
        name: str = "",
        noise: float = 0.0,
        config: RunConfig | None = None,
    ) -> Callable[[str], Vector]:
        """Sign-fixed tunings; returns the way to a client's magnitudes u >= 0 as tuned, before quantisation.

        Args:
            clients: who tunes.
            steps: those of `config` for 0.
            signs: another sign vector than the run's.
            name: of a rerun, or of what is not the run's; files are kept under it.
            noise: standard deviation of normal noise that is planted in M0 for the tuning.
            config: the lab's with other betas or commit steps, or another grid; the lab's for None.

        """
        config = config or self.config
        config = dataclasses.replace(config, steps=steps or config.steps)
        tuning, grid = config.tuning, config.grid
        signs = self.signs if signs is None else signs
        # Only with commit steps does the grid touch the training.
        on_grid = dataclasses.asdict(grid) if tuning.commit_steps else None
        settings = dataclasses.asdict(tuning), on_grid, hashlib.sha256(signs.tobytes()).hexdigest(), noise
        arguments = tuning, grid, ray.put(signs), noise
        calls = {client_id: _Training([client_id], settings, arguments) for client_id in clients}
        return self._trained(f"sign-fixed-{tuning.steps}{name and '-'}{name}", "sign_fixed", calls)

    def pooled(self, clients: Sequence[str], steps: int) -> Vector:
        """The task vector of one training on the data of several clients."""
        return self.pools([(clients, steps)])[0]

    def pools(self, trainings: Sequence[tuple[Sequence[str], int]]) -> list[Vector]:
        """Task vectors of several such trainings, each on clients of its own with its own steps, side by side."""
        calls = {
            _name_of_pool(clients, steps): _Training(clients, (self._plain_tuning(steps),), (list(clients), steps))
            for clients, steps in trainings
        }
        vector = self._trained("pooled", "pooled", calls, POOLED)
        return [vector(_name_of_pool(*training)) for training in trainings]

    def add_clients(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Let the workers know more clients than the data set has; `clients` stays as it is.

        Args:
            rows: by id, what they tune on and are scored on, instead of what the data set has under that id.
        """
        for client_id in rows:
            self._rows_digests.pop(client_id, None)
        held = ray.put(dict(rows))
        ray.get([worker.add_clients.remote(held) for worker in self._running()])

    def tuned(self, requests: Iterable[tuple[str, FineTuning]], total: int = 0) -> Iterator[tuple[str, Vector]]:
        """Task vectors of fine-tunings, relative to M0, under their names in `requests`, as they get done.

        Args:
            requests: made one by one while workers get free.
            total: how many, for the progress bar; 0 for none.
        """
        return self._map("tune", ((name, (each,)) for name, each in requests), POOLED, total)

    def example_losses(
        self, requests: Iterable[tuple[str, Vector | None, Sequence[Row]]], total: int = 0
    ) -> dict[str, NDArray[np.float64]]:
        """Name -> the loss of each row under M0 + tau, under M0 alone for None; shape (rows,).

        Args:
            requests: name, task vector and rows; made one by one while workers get free.
            total: how many, for the progress bar; 0 for none.
        """
        calls = ((name, (vector, rows)) for name, vector, rows in requests)
        return dict(self._map("example_losses", calls, EVALUATE, total))

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

    def _trained(
        self, kept: str, method: str, calls: Mapping[str, _Training], phase: str = TRAIN
    ) -> Callable[[str], Vector]:
        """Trainings by name; those that are not in the folder `kept` run."""
        folder = self._folder / kept
        folder.mkdir(parents=True, exist_ok=True)
        files = self._file_names(method, calls) if calls else {}

        def vector(name: str) -> Vector:
            found = load_task_vector(folder, files[name], self.size)
            assert found is not None
            return found

        missing = [name for name, file in files.items() if not task_vector_file(folder, file).is_file()]
        if missing:
            running = ((name, (name, str(folder), files[name], *calls[name].arguments)) for name in missing)
            deque(self._map(method, running, phase, len(missing)), maxlen=0)
        return vector

    def _file_names(self, method: str, calls: Mapping[str, _Training]) -> dict[str, str]:
        """Training -> what its file is called by: its name, and the digest of all that decides its bits."""
        workers = self._running()
        if not self._origin:
            self._origin = json.dumps(sorted(set(_result([worker.origin.remote() for worker in workers]))))
        asked = {client_id for training in calls.values() for client_id in training.clients}
        unknown = [client_id for client_id in asked if client_id not in self._rows_digests]
        self._rows_digests |= _result(workers[0].rows_digests.remote(unknown))
        names = {}
        for name, training in calls.items():
            rows = [(client_id, self._rows_digests[client_id]) for client_id in training.clients]
            decides = json.dumps([self._origin, method, name, rows, training.settings])
            names[name] = f"{name} {hashlib.sha256(decides.encode()).hexdigest()}"
        return names

    def _map(
        self, method: str, calls: Iterable[tuple[str, tuple[Any, ...]]], phase: str, total: int = 1
    ) -> Iterator[tuple[str, Any]]:
        """Call a method of the workers with each tuple of arguments; yields names and results as they come."""
        source = iter(calls)
        pending: dict[Any, tuple[str, Any]] = {}
        free = deque(self._running() * _IN_FLIGHT_PER_WORKER)
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
            self._bars.advance(phase if total else "")  # without a bar, only hear Ctrl-C
            yield name, _result(done)


def _result(done: Any) -> Any:
    """What a worker returned; a mistake of the user's without the worker's traceback."""
    try:
        return ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, FedsiftError):
            raise error.cause from None
        raise


def _name_of_pool(clients: Sequence[str], steps: int) -> str:
    return f"{steps} steps of {hashlib.sha256(json.dumps(list(clients)).encode()).hexdigest()}"


@ray.remote(num_cpus=1)
class _Worker:
    """One model, for any client."""

    def __init__(self, run_config: UserConfig, process: str) -> None:
        """Load data and model, for the lab of a process."""
        make_deterministic()
        self._process = process
        self._config = RunConfig.from_user_config(run_config)
        self._dataset = load_dataset(self._config)
        self._added: dict[str, Sequence[Row]] = {}
        self._model, self._task = load_learner(self._config.model_settings)
        self._tuner = FineTuner(self._model, self._task, self._config.tuning, self._config.seed)

    def add_clients(self, rows: dict[str, Sequence[Row]]) -> None:
        self._added |= rows

    def origin(self) -> str:
        """M0, and what else this worker brings to the bits of every training."""
        settings = self._config.model_settings
        return json.dumps(
            {
                "model": dataclasses.asdict(settings),
                "weights": self._model.base_digest().hex(),
                "environment": environment_fingerprint(settings.compile),
                "fedsift": version("fedsift"),
                "process": self._process if settings.is_custom else "",
            },
            sort_keys=True,
        )

    def rows_digests(self, client_ids: list[str]) -> dict[str, str]:
        """Client -> the digest of the rows that it tunes on."""
        return {client_id: rows_digest(self._rows(client_id)).hex() for client_id in client_ids}

    def _rows(self, client_id: str) -> Sequence[Row]:
        return self._added[client_id] if client_id in self._added else self._dataset.train_examples(client_id)

    def _encoded(self, client_id: str) -> list[Any]:
        return encode_rows(self._task, self._rows(client_id), client_id)

    def fine_tune(self, client_id: str, folder: str, file: str, steps: int) -> None:
        save_task_vector(Path(folder), file, self._tuner.fine_tune(client_id, self._encoded(client_id), steps))

    def sign_fixed(
        self,
        client_id: str,
        folder: str,
        file: str,
        settings: TuningSettings,
        grid: QuantisationGrid,
        signs: NDArray[np.int8],
        noise: float,
    ) -> None:
        seed = derive_seed(self._config.seed, "batches", client_id)
        on_device = torch.from_numpy(signs.copy()).to(self._model.weights.device)
        encoded = self._encoded(client_id)
        with self._disturbed(noise, client_id):
            magnitudes = tune_sign_fixed(self._model, self._task, on_device, encoded, settings, grid, seed)
        save_task_vector(Path(folder), file, magnitudes)

    @contextmanager
    def _disturbed(self, noise: float, client_id: str) -> Iterator[None]:
        base = self._model.base
        if noise:
            generator = torch.Generator().manual_seed(derive_seed(self._config.seed, "noise", client_id) >> 1)
            drawn = [torch.randn(part.shape, generator=generator).to(part) for part in base]
            self._model.base = [part + noise * each for part, each in zip(base, drawn, strict=True)]
        try:
            yield
        finally:
            self._model.base = base

    def pooled(self, name: str, folder: str, file: str, client_ids: list[str], steps: int) -> None:
        encoded = [row for client_id in client_ids for row in self._encoded(client_id)]
        vector = self._tuner.fine_tune(f"pool of {len(client_ids)}", encoded, steps)
        save_task_vector(Path(folder), file, vector)

    def tune(self, asked: FineTuning) -> Vector:
        encoded = encode_rows(self._task, asked.rows, asked.name)
        lr = self._config.lr * asked.lr_factor
        return self._tuner.fine_tune(asked.name, encoded, asked.steps, asked.start, lr)

    @torch.no_grad()
    def example_losses(self, vector: Vector | None, rows: Sequence[Row]) -> NDArray[np.float64]:
        encoded = encode_rows(self._task, rows, "rows to score")
        if vector is None:
            self._model.load_base()
        else:
            self._model.load_task_vector(vector)
        task, module, device = self._task, self._model.module, self._model.weights.device
        if not isinstance(task, CausalLanguageModelling | Seq2SeqLanguageModelling):
            return np.array([float(task.loss(module, to_device(task.batch([row]), device))) for row in encoded])
        size = self._config.batch_size
        batches = (task.score_batch(encoded[start : start + size]) for start in range(0, len(encoded), size))
        # Of language modelling whole batches: an answer probability is exp(-loss) of its row.
        scores = [task.scores(module, to_device(batch, device)).double().cpu() for batch in batches]
        return -torch.cat(scores).log().numpy()

    def score(self, client_id: str, vectors: dict[str, Vector | None]) -> dict[str, float]:
        rows = self._added[client_id] if client_id in self._added else self._dataset.test_examples(client_id)
        test = self._tuner.encode(client_id, rows)
        return {name: self._tuner.score(vector, test) for name, vector in vectors.items()}
