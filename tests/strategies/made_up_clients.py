"""Clients that answer what methods ask with numbers made up from their ids; no model, no messages."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import numpy as np

from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.regression import Regression, regression
from fedsift.core.round_schedule import Schedule
from fedsift.core.seeds import random_order
from fedsift.core.task_vectors import Mask, Vector
from fedsift.core.virtual_clock import Spent
from fedsift.protocol.compared_method import ComparedMethod, PoolTraining, Recipient, Stages, Terms, Trained
from fedsift.strategies.families.pooled_training import stage_entries

LAYOUT = ParameterLayout(("layer.weight", "layer.bias"), ((3, 3), (3,)))
SIZE, STEPS = LAYOUT.size, 10
SCHEDULE = Schedule(lambda _: STEPS, rounds=3, sample=0.6, stragglers=0.3)
Score = Callable[[str, Vector], float]


def made_up(*of: object) -> Vector:
    """A task vector that is always the same for the same objects, and another for others."""
    digest = hashlib.sha256(json.dumps([repr(each) for each in of]).encode()).digest()
    drawn = np.random.default_rng(int.from_bytes(digest, "little")).standard_normal(SIZE)
    return drawn.astype(np.float32)


class MadeUpClients:
    """Answers come in an order drawn from a seed; a model's score is that of `score`, by client and task vector."""

    def __init__(self, seed: int = 0, score: Score = lambda *_: 0.5, silent: Mapping[str, str] | None = None) -> None:
        self._seed, self._score = seed, score
        self.failures = dict(silent or {})
        self.schedule, self.spent = SCHEDULE, Spent()
        self.asked: list[PoolTraining] = []  # all pools so far

    def _in_some_order(self, ids: Set[str]) -> list[str]:
        given = sorted(ids - self.failures.keys())
        self._seed += 1
        return [given[place] for place in random_order(self._seed, len(given))]

    def answering(self, ids: Set[str]) -> Set[str]:
        return ids

    def fine_tuned(self, ids: Set[str]) -> Iterator[tuple[str, Trained]]:
        for client_id in self._in_some_order(ids):
            yield client_id, Trained(made_up(client_id), STEPS)

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        for client_id in self._in_some_order(set(trainings)):
            asked = trainings[client_id]
            correction = None if asked.correction is None else asked.correction.tolist()
            trained = model + made_up(client_id, number, model.tolist(), asked.kind, correction)
            yield client_id, LocallyTrained(trained, len(client_id), asked.steps, 0.5)

    def regressions(self, ids: Set[str]) -> Iterator[tuple[str, Regression]]:
        for client_id in self._in_some_order(ids):
            inputs = made_up(client_id, "inputs").reshape(4, 3).astype(np.float64)
            yield client_id, regression(made_up(client_id), {"layer.weight": inputs.T @ inputs / 4}, LAYOUT, STEPS)

    def pooled(self, trainings: Sequence[PoolTraining]) -> Iterator[tuple[int, Stages]]:
        self.asked += trainings
        for number in random_order(self._seed, len(trainings)):
            training, vector, checkpoints = trainings[number], trainings[number].start, list[Vector]()
            for stage in range(training.first, len(training.slices)):
                clients = [each for joining in training.slices[: stage + 1] for each in joining]
                trained = made_up(clients, training.lr_factor, None if vector is None else vector.tolist())
                if training.in_layers:
                    own = stage_entries(SIZE, stage, len(training.slices))
                    kept = np.zeros(SIZE, np.float32) if vector is None else vector.copy()
                    kept[own], trained = trained[own], kept
                vector = trained
                checkpoints.append(vector)
            yield int(number), Stages(checkpoints, STEPS * len(checkpoints))

    def embedded(self, ids: Set[str]) -> Iterator[tuple[str, Vector]]:
        for client_id in self._in_some_order(ids):
            yield client_id, made_up(client_id, "hidden state")

    def masks(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> Iterator[tuple[str, list[Mask]]]:
        for client_id in self._in_some_order(ids):
            yield client_id, [method.mask(made_up(client_id), shared, **each) for each in candidates]

    def scores(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for client_id in self._in_some_order(ids):
            own = made_up(client_id) if client_id in method.members else None
            recipient = Recipient(own, shared, [SIZE], lambda _: 0.5)
            served = [method.serve(recipient, **each, **method.own_terms(client_id)) for each in candidates]
            found[client_id] = [float(np.mean([self._score(client_id, one) for one in each])) for each in served]
        return found
