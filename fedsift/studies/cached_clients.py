"""The clients of experiments: what a method asks of a federation's clients, the cache of trainings answers."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any

import numpy as np
import ray

from fedsift.core.client_file import load_task_vector, save_task_vector, task_vector_file
from fedsift.core.examples import Row, rows_digest
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.regression import Regression
from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Mask, Vector
from fedsift.core.virtual_clock import Spent
from fedsift.protocol.compared_method import ComparedMethod, PoolTraining, Recipient, Stages, Terms, Trained
from fedsift.protocol.messages import EVALUATE, TRAIN
from fedsift.strategies.families.pooled_training import stage_entries, stage_steps
from fedsift.studies import training_calls
from fedsift.studies.training_cache import TrainingCache
from fedsift.studies.training_calls import FineTuning


class CachedClients:
    """`Clients` over a cache: bit for bit what a federation's clients would answer. All of them do, and none fails.

    A pool is trained once for all methods that ask the same clients.
    """

    failures: Mapping[str, str] = {}

    def __init__(
        self,
        cache: TrainingCache,
        steps: int = 0,
        pooled_steps: int = 0,
        schedule: Schedule | None = None,
        stand_ins: Mapping[str, str] | None = None,
        kept: str = "rounds",
    ) -> None:
        """Train nothing yet.

        Args:
            cache: trains and scores.
            steps: of a client's training; the configuration's for 0.
            pooled_steps: that a pool takes for each of its clients; as many as `steps` for 0.
            schedule: of methods that train in rounds.
            stand_ins: client -> a client of the cache whose rows it trains on instead of its own.
            kept: the cache's folder for trainings of rounds; clients who are to check others have one of their own.
        """
        self._cache, self._steps = cache, steps or cache.config.steps
        self._pooled_steps = pooled_steps or self._steps
        self._stand_ins, self._kept = stand_ins or {}, cache.folder / kept
        self.schedule, self.spent = schedule or Schedule(lambda _: 0), Spent()
        self._own: dict[str, Callable[[], Vector]] = {}
        self._pools: dict[str, Vector] = {}

    def _rows(self, client_id: str) -> Sequence[Row]:
        """What a client trains on."""
        return self._cache.train_examples(self._stand_in(client_id))

    def _stand_in(self, client_id: str) -> str:
        return self._stand_ins.get(client_id, client_id)

    def answering(self, ids: Set[str]) -> Set[str]:
        """All of them."""
        return ids

    def fine_tuned(self, ids: Set[str]) -> Iterator[tuple[str, Trained]]:
        """As of `Clients`, from the files that the cache keeps."""
        vector = self._cache.fine_tuned([self._stand_in(each) for each in sorted(ids)], self._steps)
        self._own |= {each: partial(vector, self._stand_in(each)) for each in ids}
        return ((client_id, Trained(self._own[client_id](), self._steps)) for client_id in sorted(ids))

    def pooled(self, trainings: Sequence[PoolTraining]) -> Iterator[tuple[int, Stages]]:
        """As of `Clients`; a stage of all trainings side by side, then the next."""
        found = [Stages([], 0) for _ in trainings]
        for stage in range(max((len(each.slices) for each in trainings), default=0)):
            asked = {
                number: self._stage(training, stage, found[number].checkpoints)
                for number, training in enumerate(trainings)
                if training.first <= stage < len(training.slices)
            }
            for number, vector in self._tuned(asked).items():
                checkpoints, steps = found[number]
                found[number] = Stages([*checkpoints, vector], steps + asked[number].steps)
        return iter(enumerate(found))

    def _stage(self, training: PoolTraining, stage: int, checkpoints: Sequence[Vector]) -> FineTuning:
        clients = [client_id for joining in training.slices[: stage + 1] for client_id in joining]
        rows = [row for client_id in clients for row in self._rows(client_id)]
        slices = len(training.slices)
        steps = stage_steps(self._pooled_steps, len(clients), stage, slices) if rows else 0
        name = hashlib.sha256(json.dumps(clients).encode()).hexdigest()
        start = checkpoints[-1] if checkpoints else training.start
        entries = stage_entries(self._cache.size, stage, slices) if training.in_layers else None
        return FineTuning(name, rows, steps, start, training.lr_factor, entries)

    def _tuned(self, asked: Mapping[int, FineTuning]) -> dict[int, Vector]:
        """The task vectors of trainings; of one without rows, that from which it starts."""
        keys = {number: _key(each) for number, each in asked.items()}
        missing = {keys[number]: each for number, each in asked.items() if keys[number] not in self._pools}
        for key, each in missing.items():
            if not each.rows:
                self._pools[key] = np.zeros(self._cache.size, np.float32) if each.start is None else each.start
        running = {key: each for key, each in missing.items() if each.rows}
        self._pools |= self._cache.tuned(running.items(), len(running))
        return {number: self._pools[key] for number, key in keys.items()}

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        """As of `Clients`; without a correction they are kept, and those that are there do not run again."""
        held, digest = {each: self._rows(each) for each in trainings}, hashlib.sha256(model.data).hexdigest()
        files = {
            each: f"{number} {digest} {asked.kind} {rows_digest(held[each]).hex()} {each}"
            for each, asked in trainings.items()
            if asked.correction is None
        }
        self._kept.mkdir(parents=True, exist_ok=True)
        there = {each for each, file in files.items() if task_vector_file(self._kept, file).is_file()}
        for each in sorted(there):
            vector, steps = load_task_vector(self._kept, files[each], self._cache.size), trainings[each].steps
            assert vector is not None
            yield each, LocallyTrained(vector, len(held[each]), steps, self._cache.config.tuning.lr_sum(steps))
        sent, missing = ray.put(model), [each for each in trainings if each not in there]
        calls = ((each, (self._cache.config, each, held[each], number, sent, trainings[each])) for each in missing)
        for each, trained in self._cache.map(training_calls.local, calls, TRAIN, len(missing)):
            if each in files:
                save_task_vector(self._kept, files[each], trained.task_vector)
            yield each, trained

    def regressions(self, ids: Set[str]) -> Iterator[tuple[str, Regression]]:
        """As of `Clients`."""
        config = self._cache.config
        calls = ((each, (config, each, self._rows(each), *trained)) for each, trained in self.fine_tuned(ids))
        return self._cache.map(training_calls.regress, calls, TRAIN, len(ids))

    def embedded(self, ids: Set[str]) -> Iterator[tuple[str, Vector]]:
        """As of `Clients`."""
        calls = ((each, (self._cache.config, each, self._rows(each))) for each in sorted(ids))
        return self._cache.map(training_calls.embed, calls, TRAIN, len(ids))

    def masks(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> Iterator[tuple[str, list[Mask]]]:
        """As of `Clients`."""
        for client_id in sorted(ids):
            own = self._own[client_id]()
            yield client_id, [method.mask(own, shared, **each) for each in candidates]

    def scores(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> dict[str, list[float]]:
        """As of `Clients`."""
        sent = ray.put(dict(shared))

        def calls() -> Iterator[tuple[str, tuple[Any, ...]]]:
            for each in sorted(ids):
                terms = [{**candidate, **method.own_terms(each)} for candidate in candidates]
                asked = self._rows(each), method.name, self._own_of(each, method.members), terms
                yield each, (self._cache.config, each, *asked, sent)

        found = self._cache.map(training_calls.score_served, calls(), EVALUATE, len(ids))
        return {client_id: scores for client_id, scores in found if scores}

    def _own_of(self, client_id: str, members: Collection[str]) -> Vector | None:
        return self._own[client_id]() if client_id in members and client_id in self._own else None

    def served(self, method: ComparedMethod) -> Callable[[str], list[Vector]]:
        """The way to the task vectors that a client is served, shape (n,) each, whatever becomes of the method."""
        shared, chosen, members = method.shared(), method.chosen, frozenset(method.members)
        terms = {each: method.own_terms(each) for each in members}

        def served(client_id: str) -> list[Vector]:
            def score(name: str) -> float:
                return self._score(client_id, shared[name])

            recipient = Recipient(self._own_of(client_id, members), shared, self._cache.layout.sizes, score)
            return method.serve(recipient, **chosen, **terms.get(client_id, {}))

        return served

    def _score(self, client_id: str, vector: Vector) -> float:
        """On the rows that a client trains on."""
        call = client_id, (self._cache.config, {client_id: self._rows(client_id)}, client_id, {"": vector})
        ((_, named),) = self._cache.map(training_calls.score, [call], EVALUATE)
        return named[""]


def _key(training: FineTuning) -> str:
    """What decides a training's bits, the rows aside: they are those of the clients that its name stands for."""
    start = hashlib.sha256(b"" if training.start is None else training.start.data).hexdigest()
    return f"{training.name} {training.steps} {training.lr_factor} {start} {training.entries}"
