"""The clients of experiments: what a method asks of a federation's clients, the cache of trainings answers."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from statistics import mean

import numpy as np

from fedsift.core.ensemble import Ensemble
from fedsift.core.examples import Row
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.regression import Regression
from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Mask, Vector
from fedsift.core.virtual_clock import Spent
from fedsift.data.loading import load_dataset
from fedsift.protocol.compared_method import ComparedMethod, PoolTraining, Recipient, Stages, Terms, Trained
from fedsift.strategies.families.pooled_training import stage_entries, stage_steps
from fedsift.studies.training_cache import TrainingCache
from fedsift.studies.training_calls import FineTuning

_BYTES_AT_ONCE = 1 << 26  # of the models that are sent to be scored together


class CachedClients:
    """`Clients` over a cache: bit for bit what a federation's clients would answer. All of them do, and none fails.

    A pool is trained once for all methods that ask the same clients.
    """

    failures: Mapping[str, str] = {}
    schedule = Schedule(lambda _: 0)

    def __init__(
        self, cache: TrainingCache, steps: int = 0, rows: Callable[[str], Sequence[Row]] | None = None
    ) -> None:
        """Train nothing yet.

        Args:
            cache: trains and scores.
            steps: of a client's training; the configuration's for 0.
            rows: what a client brings into a pool; by default what it has in the data set.
        """
        self._cache, self._steps = cache, steps or cache.config.steps
        self._rows = rows or load_dataset(cache.config).train_examples
        self.spent = Spent()
        self._own: dict[str, Callable[[str], Vector]] = {}
        self._pools: dict[str, Vector] = {}

    def answering(self, ids: Set[str]) -> Set[str]:
        """All of them."""
        return ids

    def fine_tuned(self, ids: Set[str]) -> Iterator[tuple[str, Trained]]:
        """As of `Clients`, from the files that the cache keeps."""
        vector = self._cache.fine_tuned(sorted(ids), self._steps)
        self._own |= dict.fromkeys(ids, vector)
        return ((client_id, Trained(vector(client_id), self._steps)) for client_id in sorted(ids))

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
        steps = stage_steps(self._steps, len(clients), stage, slices) if rows else 0
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
        """Not here, as of `embedded`: no experiment trains in rounds; `fedsift compare` does."""
        raise NotImplementedError("the cache of trainings has no rounds")

    def regressions(self, ids: Set[str]) -> Iterator[tuple[str, Regression]]:
        """Not here, as of `embedded`: no experiment plays RegMean; `fedsift compare` does."""
        raise NotImplementedError("the cache of trainings makes no Grams")

    def embedded(self, ids: Set[str]) -> Iterator[tuple[str, Vector]]:
        """Not here: the cache only tunes and scores, so no experiment plays APA; `fedsift compare` does."""
        raise NotImplementedError("the cache of trainings makes no hidden states")

    def masks(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> Iterator[tuple[str, list[Mask]]]:
        """As of `Clients`."""
        for client_id in sorted(ids):
            own = self._own[client_id](client_id)
            yield client_id, [method.mask(own, shared, **each) for each in candidates]

    def scores(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> dict[str, list[float]]:
        """As of `Clients`."""
        if method.ensemble is not Ensemble.DRAWN:
            raise NotImplementedError(f"the cache of trainings scores models one by one, {method.name} together")
        scores: dict[str, list[float]] = {client_id: [] for client_id in sorted(ids)}
        together = max(1, _BYTES_AT_ONCE // (4 * self._cache.size))
        for start in range(0, len(candidates), together):
            some = candidates[start : start + together]
            requests = ((client_id, self._models(method, client_id, some, shared)) for client_id in scores)
            for client_id, named in self._cache.scores(requests, len(scores)).items():
                by_candidate: dict[str, list[float]] = {}
                for name, score in named.items():
                    by_candidate.setdefault(name.partition(" ")[0], []).append(score)
                scores[client_id] += map(mean, by_candidate.values())
        return scores

    def _models(
        self, method: ComparedMethod, client_id: str, candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> dict[str, Vector | None]:
        """What a client is served, by the candidate's place and the number among what it is served with it."""
        served = [self._serve(method, client_id, each, shared) for each in candidates]
        return {f"{place} {number}": model for place, each in enumerate(served) for number, model in enumerate(each)}

    def served(self, method: ComparedMethod) -> Callable[[str], Vector]:
        """The way to the task vector that a client is served with the hyper-parameters chosen, shape (n,)."""
        shared = method.shared()

        def served(client_id: str) -> Vector:
            (vector,) = self._serve(method, client_id, method.chosen, shared)
            return vector

        return served

    def _serve(
        self, method: ComparedMethod, client_id: str, terms: Terms, shared: Mapping[str, Vector]
    ) -> list[Vector]:
        own = self._own[client_id](client_id) if client_id in method.members and client_id in self._own else None
        recipient = Recipient(own, shared, self._cache.layout.sizes, _no_score)
        return method.serve(recipient, **terms, **method.own_terms(client_id))


def _key(training: FineTuning) -> str:
    """What decides a training's bits, the rows aside: they are those of the clients that its name stands for."""
    start = hashlib.sha256(b"" if training.start is None else training.start.data).hexdigest()
    return f"{training.name} {training.steps} {training.lr_factor} {start} {training.entries}"


def _no_score(name: str) -> float:
    raise NotImplementedError(f"the cache of trainings does not score {name} on the rows that a client tunes on")
