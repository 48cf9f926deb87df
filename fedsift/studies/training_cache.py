"""Trainings and scores on the workers without a federation around them: any task vector for any client.

The figures of the paper need many merges of the same trainings. So each training is computed once and kept in a file;
merging is arithmetic on these files, and only scores go through the workers.

A file's name holds the digest of all that decides the training's bits: who trains on which rows, M0, the settings, and
where it ran. So a folder of them can be used again whatever has changed since. What a task of the user's own computes
has no digest: its trainings are used again by the process that ran them only.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import numpy as np
import ray
from numpy.typing import NDArray

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.client_file import load_task_vector, save_task_vector, task_vector_file
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row, rows_digest
from fedsift.core.head_statistics import Decisions
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.sign_vector import sign_vector
from fedsift.core.task_vectors import Vector
from fedsift.data.loading import load_dataset
from fedsift.learning.models import load_layout
from fedsift.protocol.messages import EVALUATE, POOLED, TRAIN
from fedsift.runtime.gpu_share import check_device
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.studies import training_calls
from fedsift.studies.recall import Asked, Recall, recall
from fedsift.studies.training_calls import FineTuning

T = TypeVar("T")
# Workers for so many clients of a configuration.
Session = Callable[[int, RunConfig], AbstractContextManager[WorkerPool]]
_THIS_PROCESS = uuid4().hex


class _Training(NamedTuple):
    """A training that is kept."""

    clients: Sequence[str]  # whose rows it is on, in their order
    settings: tuple[Any, ...]  # what else decides its bits, as JSON takes it
    arguments: tuple[Any, ...]  # what the workers' function takes after the rows


class TrainingCache:
    """Clients of a configuration, their trainings in a folder, and workers to run them.

    Attributes:
        folder: of the trainings.
        clients: ids, in the order of the data.
        layout: of the tuned parameters.
        size: n, the number of tuned parameters.
        signs: the run's sign vector, int8 of shape (n,).
        grid: the run's quantisation grid.
    """

    def __init__(self, config: RunConfig, folder: Path, bars: PhaseBars, session: Session = ray_session) -> None:
        """Start no worker yet: they start with the first call, within `with`.

        Args:
            config: which clients learn what, and how.
            folder: for the trainings.
            bars: are told of the progress.
            session: whose workers it uses.

        Raises:
            BadInput: the data, the model or the device cannot be had, or clients are to differ in steps.
        """
        check_equal_steps(config)
        self.config, self.folder, self._bars, self._session = config, folder, bars, session
        check_device(config)
        self._dataset = load_dataset(config)
        self.clients = choose_clients(config, self._dataset)
        self.layout = load_layout(config.model_settings)
        self.size = self.layout.size
        self.signs = sign_vector(config.sign_seed, self.size)
        self.grid: QuantisationGrid = config.grid
        self._stack = ExitStack()
        self._added: dict[str, Sequence[Row]] = {}
        self._rows_digests: dict[str, str] = {}

    def __enter__(self) -> "TrainingCache":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def _running(self) -> tuple[WorkerPool, str]:
        """The workers, and what they bring to the bits of every training: M0, and where they run."""
        pool = self._stack.enter_context(self._session(len(self.clients), self.config))
        environments = pool.prepare(self.config.to_user_config())
        settings = self.config.model_settings
        origin = {
            "model": dataclasses.asdict(settings),
            "weights": pool.loaded.model_digest.hex(),
            "environments": environments,
            "fedsift": version("fedsift"),
            "process": _THIS_PROCESS if settings.is_custom else "",
        }
        return pool, json.dumps(origin, sort_keys=True)

    def fine_tuned(self, clients: Sequence[str], steps: int = 0) -> Callable[[str], Vector]:
        """Plain fine-tunings; returns the way to a client's task vector. `steps`: the configuration's for 0."""
        steps = steps or self.config.steps
        settings = (self._plain_tuning(steps),)
        calls = {each: _Training([each], settings, (each, [each], steps)) for each in clients}
        return self._trained(f"fine-tuned-{steps}", training_calls.fine_tune, calls)

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
            config: the cache's with other betas or commit steps, or another grid; the cache's for None.
        """
        config = config or self.config
        config = dataclasses.replace(config, steps=steps or config.steps)
        tuning, grid = config.tuning, config.grid
        signs = self.signs if signs is None else signs
        # Only with commit steps does the grid touch the training.
        on_grid = dataclasses.asdict(grid) if tuning.commit_steps else None
        settings = dataclasses.asdict(tuning), on_grid, hashlib.sha256(signs.tobytes()).hexdigest(), noise
        assert self._running  # Ray runs from here on.
        arguments = tuning, grid, ray.put(signs), noise
        calls = {each: _Training([each], settings, (each, *arguments)) for each in clients}
        return self._trained(f"sign-fixed-{tuning.steps}{name and '-'}{name}", training_calls.sign_fixed, calls)

    def pooled(self, clients: Sequence[str], steps: int) -> Vector:
        """The task vector of one training on the data of several clients."""
        return self.pools([(clients, steps)])[0]

    def pools(self, trainings: Sequence[tuple[Sequence[str], int]]) -> list[Vector]:
        """Task vectors of several such trainings, each on clients of its own with its own steps, side by side."""
        calls = {}
        for clients, steps in trainings:
            arguments = f"pool of {len(clients)}", list(clients), steps
            calls[_name_of_pool(clients, steps)] = _Training(clients, (self._plain_tuning(steps),), arguments)
        vector = self._trained("pooled", training_calls.fine_tune, calls, POOLED)
        return [vector(_name_of_pool(*training)) for training in trainings]

    def add_clients(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Know more clients than the data set has; `clients` stays as it is.

        Args:
            rows: by id, what they tune on and are scored on, instead of what the data set has under that id.
        """
        for client_id in rows:
            self._rows_digests.pop(client_id, None)
        self._added |= rows

    def tuned(self, requests: Iterable[tuple[str, FineTuning]], total: int = 0) -> Iterator[tuple[str, Vector]]:
        """Task vectors of fine-tunings, relative to M0, under their names in `requests`, as they get done.

        Args:
            requests: made one by one while workers get free.
            total: how many, for the progress bar; 0 for none.
        """
        calls = ((name, (self.config, each)) for name, each in requests)
        return self.map(training_calls.tune, calls, POOLED, total)

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """What a client tunes on."""
        return self._added[client_id] if client_id in self._added else self._dataset.train_examples(client_id)

    def example_losses(
        self, requests: Iterable[tuple[str, Vector | None, Sequence[Row]]], total: int = 0
    ) -> dict[str, NDArray[np.float64]]:
        """Name -> the loss of each row under M0 + tau, under M0 alone for None; shape (rows,).

        Args:
            requests: name, task vector and rows; made one by one while workers get free.
            total: how many, for the progress bar; 0 for none.
        """
        calls = ((name, (self.config, vector, rows)) for name, vector, rows in requests)
        return dict(self.map(training_calls.example_losses, calls, EVALUATE, total))

    def recalled(
        self, requests: Iterable[tuple[str, Vector | None, Asked]], total: int = 0
    ) -> Iterator[tuple[str, Recall]]:
        """Name and what M0 + tau, or M0 alone for None, knows of the rows it is asked about, as it gets done.

        Args:
            requests: name, task vector and what is asked; made one by one while workers get free.
            total: how many, for the progress bar; 0 for none.
        """
        calls = ((name, (self.config, vector, asked)) for name, vector, asked in requests)
        return self.map(recall, calls, EVALUATE, total)

    def scores(
        self, requests: Iterable[tuple[str, Mapping[str, Vector | None]]], total: int
    ) -> dict[str, dict[str, float]]:
        """Client -> name -> score of M0 + tau, of M0 alone for None.

        Args:
            requests: a client with named task vectors; made one by one while workers get free.
            total: how many, for the progress bar.
        """
        calls = ((each, (self.config, self._held([each]), each, dict(vectors))) for each, vectors in requests)
        return dict(self.map(training_calls.score, calls, EVALUATE, total))

    def decisions(self, clients: Sequence[str]) -> dict[str, Decisions]:
        """What clients have of the rows that they tune on, for a shared head.

        Raises:
            BadInput: the task has none.
        """
        calls = ((each, (self.config, self._held([each]), each)) for each in clients)
        return dict(self.map(training_calls.decisions, calls, TRAIN, len(clients)))

    def head_scores(self, clients: Sequence[str], known: Sequence[Decisions]) -> dict[str, float]:
        """Client -> score of a head that is made of these decisions, on the rows that the client tunes on."""
        calls = ((each, (self.config, self._held([each]), each, known)) for each in clients)
        return dict(self.map(training_calls.head_score, calls, EVALUATE, len(clients)))

    def _trained(
        self, kept: str, function: Callable[..., Vector], calls: Mapping[str, _Training], phase: str = TRAIN
    ) -> Callable[[str], Vector]:
        """Trainings by name; those that are not in the folder `kept` run."""
        folder = self.folder / kept
        folder.mkdir(parents=True, exist_ok=True)
        files = {name: self._file_name(function.__name__, name, training) for name, training in calls.items()}

        def vector(name: str) -> Vector:
            found = load_task_vector(folder, files[name], self.size)
            assert found is not None
            return found

        missing = {name: calls[name] for name, file in files.items() if not task_vector_file(folder, file).is_file()}
        running = ((name, (self.config, self._held(each.clients), *each.arguments)) for name, each in missing.items())
        for name, trained in self.map(function, running, phase, len(missing)):
            save_task_vector(folder, files[name], trained)
        return vector

    def _file_name(self, method: str, name: str, training: _Training) -> str:
        """What a training's file is called by: its name, and the digest of all that decides its bits."""
        for client_id in training.clients:
            if client_id not in self._rows_digests:
                self._rows_digests[client_id] = rows_digest(self.train_examples(client_id)).hex()
        digests = [(client_id, self._rows_digests[client_id]) for client_id in training.clients]
        decides = json.dumps([self._running[1], method, name, digests, training.settings])
        return f"{name} {hashlib.sha256(decides.encode()).hexdigest()}"

    def _held(self, clients: Iterable[str]) -> dict[str, Sequence[Row]]:
        """The rows of those clients that the data set does not have, or that have others here."""
        return {client_id: self._added[client_id] for client_id in clients if client_id in self._added}

    def map(
        self, function: Callable[..., T], calls: Iterable[tuple[str, tuple[Any, ...]]], phase: str, total: int = 0
    ) -> Iterator[tuple[str, T]]:
        """Call a function of `training_calls` in the workers; yields names and results as they come.

        Args:
            function: takes `config` first.
            calls: names and arguments; references to Ray's objects are replaced by these.
            phase: of the progress bar.
            total: how many, for the bar; 0 for none.
        """
        if total:
            self._bars.begin(phase, total)
        for named in self._running[0].map(function, calls):
            self._bars.advance(phase if total else "")  # without a bar, only hear Ctrl-C
            yield named


def check_equal_steps(config: RunConfig) -> None:
    """See that all clients take the same number of steps.

    Raises:
        BadInput: they are to differ.
    """
    if config.epochs:
        raise BadInput(f"epochs = {config.epochs:g}: trainings are compared at equal steps here; leave epochs out")


def _name_of_pool(clients: Sequence[str], steps: int) -> str:
    return f"{steps} steps of {hashlib.sha256(json.dumps(list(clients)).encode()).hexdigest()}"
