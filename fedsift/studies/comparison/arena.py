"""What the methods of a comparison share: clients, workers, and fine-tunings that are computed once."""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.protocol.client_rounds import last_line, mean_scores
from fedsift.protocol.messages import Wish
from fedsift.runs.federate import federate, places
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.compared_method import Vector
from fedsift.strategies.negated_central_ft import NegatedCentralFineTuning
from fedsift.strategies.registry import METHODS, SIFT_MASKS, SIFT_MERGE, STRATEGIES
from fedsift.studies.client_script import ClientScript


@dataclasses.dataclass
class Arena:
    """Plays merge and removals with one method after the other, on the same clients.

    Attributes:
        pool: the workers.
        config: of the runs.
        client_ids: all that the data set has.
        members: who joins.
        others: who never joins, and scores the merged model.
        leavers: members that leave, one after the other; with SIFT-Masks as one batch.
        size: n, the number of tuned parameters.
        out: a folder for the clients' files.
        bars: are told of the progress.
    """

    pool: WorkerPool
    config: RunConfig
    client_ids: Sequence[str]
    members: Sequence[str]
    others: Sequence[str]
    leavers: tuple[str, ...]
    size: int
    out: Path
    bars: PhaseBars

    @property
    def _stayers(self) -> list[str]:
        return [client_id for client_id in self.members if client_id not in self.leavers]

    def sift_masks(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """A row for SIFT-Masks, and one for SIFT + Merge: the same run served without masks."""
        self.bars.prefix = f"{METHODS[SIFT_MASKS].title} "
        started = time.perf_counter()
        clients = self._places([*self.members, *self.others])
        masks = self.out / "masks"
        masks.mkdir(parents=True)
        leaving = self.config.leaving(*self.leavers)
        outcome = federate(self.pool, leaving, clients, self.bars, masks=masks, newcomers=self.others)
        seconds = time.perf_counter() - started
        alone = dataclasses.replace(self.config.leaving(), evaluate=False)
        never_joined = federate(self.pool, alone, self._places(self._stayers), self.bars)
        merge, removal = outcome.rounds
        _check(SIFT_MASKS, [merge.failures, removal.failures, never_joined.rounds[0].failures])
        steps = [body.steps_retrained for body in outcome.receipts]
        same = outcome.state_digest == never_joined.state_digest
        both = []
        for name, score in ((SIFT_MASKS, self.config.localise), (SIFT_MERGE, "merged")):
            row = self._row(name, merge.scores, removal.scores, score, "merged")
            row |= {
                "state_digest": outcome.state_digest,
                "exact_in_bits": same,
                "differing_entries": 0.0 if same else None,
                "distance_left": 0.0 if same else None,
                "trainings": [1] * len(steps),
                "steps": steps,
                "seconds": seconds,
                "hyper_parameters": {},
                "validation_scorings": 0,
            }
            both.append(row)
        return both[0], both[1]

    def compared(self, name: str) -> dict[str, Any]:
        """A row for any other method."""
        self.bars.prefix = f"{METHODS[name].title} "
        started = time.perf_counter()
        last = 1 + len(self.leavers)
        strategy = STRATEGIES[name](self.size, evaluated={1, last})
        grid = self._grid(self.members, self.others, "vectors")
        strategy.start(grid, ArrayRecord(), num_rounds=last, timeout=math.inf)
        seconds = time.perf_counter() - started
        never_joined = STRATEGIES[name](self.size, evaluated=(), chosen=strategy.chosen)
        grid = self._grid(self._stayers, (), "never-joined")
        never_joined.start(grid, ArrayRecord(), num_rounds=1, timeout=math.inf)
        merge, *removals = strategy.rounds
        _check(name, [record.failures for record in (*strategy.rounds, *never_joined.rounds)])
        after, wanted = strategy.shared(), never_joined.shared()
        same = strategy.digest() == never_joined.digest()
        distance_left = 0.0 if same else None
        if isinstance(strategy, NegatedCentralFineTuning) and strategy.before is not None:
            distance_left = _distance(after["0"], wanted["0"]) / _distance(strategy.before, wanted["0"])
        return self._row(name, merge.scores, removals[-1].scores, "served 0", "served 0") | {
            "state_digest": strategy.digest(),
            "exact_in_bits": same,
            "differing_entries": _differing(after, wanted),
            "distance_left": distance_left,
            "trainings": [record.trainings for record in removals],
            "steps": [record.steps for record in removals],
            "seconds": seconds,
            "hyper_parameters": dict(strategy.hyper_parameters),
            "validation_scorings": sum(record.validation_scorings for record in strategy.rounds),
        }

    def _row(self, name: str, before: dict[str, Any], after: dict[str, Any], score: str, other: str) -> dict[str, Any]:
        method = METHODS[name]
        total = len(self.members)

        def mean(scores: dict[str, Any], clients: Sequence[str], named: str) -> float | None:
            return mean_scores({each: scores[each] for each in clients if each in scores}).get(named)

        return {
            "name": name,
            "title": method.title,
            "exact": method.exact,
            "members_before": mean(before, self.members, score),
            "members_after": mean(after, self._stayers, score),
            "leavers_before": mean(before, self.leavers, score),
            "leavers_after": mean(after, self.leavers, other),
            "held_out_before": mean(before, self.others, other),
            "held_out_after": mean(after, self.others, other),
            "trainings_of_all_removals": method.all_removals(total),
            "storage_bytes": method.storage(self.size, total),
        }

    def _grid(self, clients: Sequence[str], others: Sequence[str], folder: str) -> RayGrid:
        """Clients that keep task vectors in `folder`: a never-joined run shares no training with what it checks."""
        vectors = self.out / folder
        vectors.mkdir(parents=True, exist_ok=True)
        everybody = [*clients, *others]
        nodes = node_configs(self._places(everybody), newcomers=others, vector_folder=vectors)
        for client_id, node in zip(everybody, nodes, strict=True):
            if client_id in self.leavers:
                script = ClientScript({1: Wish.JOIN, 2 + self.leavers.index(client_id): Wish.LEAVE})
                node.update(script.to_user_config())
        user_config = self.config.leaving(*self.leavers).to_user_config()
        return RayGrid(self.pool, nodes, user_config, self.bars)

    def _places(self, clients: Sequence[str]) -> dict[str, int]:
        return places(self.client_ids, clients)


def _check(name: str, failures: Sequence[Mapping[str, str]]) -> None:
    """A comparison is of the same clients, so none may fail."""
    for client_id, why in (each for record in failures for each in record.items()):
        raise BadInput(f"{name}: client {client_id!r}: {last_line(why)}")


def _differing(found: Mapping[str, Vector], wanted: Mapping[str, Vector]) -> float:
    """The share of what is served in which two states differ in bits."""
    names = found.keys() | wanted.keys()
    differing = sum(
        np.count_nonzero(found[name].view(np.uint32) != wanted[name].view(np.uint32)) / len(found[name])
        if name in found and name in wanted
        else 1
        for name in sorted(names)
    )
    return differing / max(1, len(names))


def _distance(found: Vector, wanted: Vector) -> float:
    """Euclidean."""
    return float(np.linalg.norm(found - wanted))
