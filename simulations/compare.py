"""`fedsift compare`: several methods on the same clients, with what a removal costs each, and whether it is exact."""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord

from fedsift.errors import BadInput, unknown_name
from fedsift.models import load_layout, metric_of
from simulations.configuration import RunConfig
from simulations.data import choose_clients, choose_leavers, load_dataset
from simulations.engine import federate, places, ray_session
from simulations.progress import PhaseBars
from simulations.ray_grid import RayGrid, WorkerPool, node_configs
from simulations.result import last_line
from strategies.client_rounds import mean_scores
from strategies.registry import METHODS, SIFT_MASKS, SIFT_MERGE, STRATEGIES


def compare(config: RunConfig, names: Sequence[str], held_out: int, out: Path, bars: PhaseBars) -> dict[str, Any]:
    """Play merge and removals with each method.

    Clients, seeds and settings are the same for all. A client's plain fine-tuning is computed once and kept in
    `out`/vectors for the methods that merge it; what a method would train again for a removal is counted all the same.

    Args:
        config: of the runs; its leavers leave one after the other, with SIFT-Masks as one batch.
        names: of the methods.
        held_out: how many further clients of the data never join; they score the merged model.
        out: a folder for the clients' files.
        bars: are told of the progress.

    Returns:
        `clients`, `held_out`, `leavers`, `metric`, `tuned_parameters` and for each method a row in `methods`.

    Raises:
        BadInput: an unknown method, or fewer clients than asked for.
    """
    for name in names:
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
    if config.leave == 0:
        raise BadInput("leave = 0: a comparison needs somebody who leaves; give a number or ids")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BadInput(f"out = {out}: a comparison needs a folder that is new or empty")
    dataset = load_dataset(dataclasses.replace(config, clients=config.clients and config.clients + held_out))
    members = choose_clients(config, dataset)
    others = list(dataset.client_ids[len(members) : len(members) + held_out])
    everyone = dataclasses.replace(config, clients=len(members) + len(others))
    leavers = choose_leavers(config, members)
    size = load_layout(config.model_settings).size
    rows = []
    with bars, ray_session(min(config.worker_count, len(members)), config) as pool:
        pool.prepare(everyone.to_user_config())  # A method's seconds are its own, not the workers' start-up.
        arena = _Arena(pool, everyone, dataset.client_ids, members, others, leavers, size, out, bars)
        if {SIFT_MASKS, SIFT_MERGE} & set(names):
            masks, merged = arena.sift_masks()
            rows += [row for row in (masks, merged) if row["name"] in names]
        rows += [arena.compared(name) for name in names if name in STRATEGIES]
        bars.finish()
    rows.sort(key=lambda row: list(METHODS).index(row["name"]))
    return {
        "clients": len(members),
        "held_out": len(others),
        "leavers": list(leavers),
        "metric": metric_of(config.model_settings),
        "tuned_parameters": size,
        "methods": rows,
    }


@dataclasses.dataclass
class _Arena:
    """What all methods of a comparison share."""

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
        """SIFT-Masks, and SIFT + Merge: the same run served without masks."""
        self.bars.prefix = "SIFT-Masks "
        started = time.perf_counter()
        clients = self._places([*self.members, *self.others])
        masks = self.out / "masks"
        masks.mkdir(parents=True)
        leaving = dataclasses.replace(self.config, leave=self.leavers)
        outcome = federate(self.pool, leaving, clients, self.bars, masks=masks, held_out=self.others)
        seconds = time.perf_counter() - started
        alone = dataclasses.replace(self.config, leave=0, evaluate=False)
        never_joined = federate(self.pool, alone, self._places(self._stayers), self.bars)
        merge, removal = outcome["rounds"]
        _check(SIFT_MASKS, [merge["failures"], removal["failures"], never_joined["rounds"][0]["failures"]])
        steps = [receipt["steps_retrained"] for receipt in outcome["receipts"]]
        both = []
        for name, score in ((SIFT_MASKS, self.config.localise), (SIFT_MERGE, "merged")):
            row = self._row(name, merge["scores"], removal["scores"], score, "merged")
            row |= {
                "state_digest": outcome["state_digest"],
                "exact_in_bits": outcome["state_digest"] == never_joined["state_digest"],
                "trainings": [1] * len(steps),
                "steps": steps,
                "seconds": seconds,
                "hyper_parameters": {},
                "validation_scorings": 0,
            }
            both.append(row)
        return both[0], both[1]

    def compared(self, name: str) -> dict[str, Any]:
        """Any other method."""
        self.bars.prefix = f"{METHODS[name].title} "
        started = time.perf_counter()
        last = 1 + len(self.leavers)
        strategy = STRATEGIES[name](self.size, evaluated={1, last})
        strategy.start(self._grid(self.members, self.others), ArrayRecord(), num_rounds=last, timeout=math.inf)
        seconds = time.perf_counter() - started
        never_joined = STRATEGIES[name](self.size, evaluated=())
        never_joined.start(self._grid(self._stayers, ()), ArrayRecord(), num_rounds=1, timeout=math.inf)
        merge, *removals = strategy.rounds
        _check(name, [record.failures for record in (*strategy.rounds, *never_joined.rounds)])
        return self._row(name, merge.scores, removals[-1].scores, "served 0", "served 0") | {
            "state_digest": strategy.digest(),
            "exact_in_bits": strategy.digest() == never_joined.digest(),
            "trainings": [record.trainings for record in removals],
            "steps": [record.steps for record in removals],
            "seconds": seconds,
            "hyper_parameters": dict(strategy.chosen),
            "validation_scorings": merge.validation_scorings,
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

    def _grid(self, clients: Sequence[str], others: Sequence[str]) -> RayGrid:
        vectors = self.out / "vectors"
        vectors.mkdir(parents=True, exist_ok=True)
        extra = {"vector-folder": str(vectors.resolve())}
        nodes = node_configs(self._places([*clients, *others]), extra, held_out=others)
        for node in nodes:
            if node["client-id"] in self.leavers:
                node["leave-round"] = 2 + self.leavers.index(str(node["client-id"]))
        user_config = dataclasses.replace(self.config, leave=self.leavers).to_user_config()
        return RayGrid(self.pool, nodes, user_config, self.bars)

    def _places(self, clients: Sequence[str]) -> dict[str, int]:
        return places(self.client_ids, clients)


def _check(name: str, failures: Sequence[Mapping[str, str]]) -> None:
    """A comparison is of the same clients, so none may fail."""
    for client_id, why in (each for record in failures for each in record.items()):
        raise BadInput(f"{name}: client {client_id}: {last_line(why)}")
