"""What the methods of a comparison share: clients, workers, and fine-tunings that are computed once."""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Vector
from fedsift.core.virtual_clock import Spent
from fedsift.protocol.client_rounds import last_line, mean_scores
from fedsift.protocol.compared_method import ComparedMethod
from fedsift.protocol.messages import Wish
from fedsift.protocol.method import Method
from fedsift.protocol.method_rounds import MethodRounds
from fedsift.protocol.serving_rounds import SiftRecord
from fedsift.runs.federate import federate, places
from fedsift.runs.scores import SCORES, MemberScores, NewcomerScores, Score, number_above, scores_of_members
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.registry import METHODS, SIFT_MASKS, SIFT_MERGE, compared_named
from fedsift.studies.client_script import ClientScript
from fedsift.studies.comparison.comparison import Baseline, MethodRow

Scores = Mapping[str, Mapping[str, float]]  # client -> name -> score


@dataclasses.dataclass
class Arena:
    """Plays merge and removals with one method after the other, on the same clients."""

    pool: WorkerPool  # the workers
    config: RunConfig  # of the runs
    client_ids: Sequence[str]  # all that the data set has
    members: Sequence[str]  # who joins
    newcomers: Sequence[str]  # who never joins, and scores the merged model
    leavers: tuple[str, ...]  # members that leave, one after the other; with SIFT-Masks as one batch
    layout: ParameterLayout  # of the tuned parameters
    schedule: Schedule  # of the methods that train in rounds, and of the clients' devices
    own_steps: Callable[[str], int]  # that a client takes on its own
    out: Path  # a folder for the clients' files
    bars: PhaseBars  # are told of the progress
    chosen_on: frozenset[str] = frozenset()  # members whose scores decide on settings, and are not reported
    baselines: list[Baseline] = dataclasses.field(default_factory=list)  # once found
    alone: Score | None = None  # of the members, once found
    per_client: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)  # client -> what -> its score

    def _reported(self, clients: Sequence[str]) -> list[str]:
        return [client_id for client_id in clients if client_id not in self.chosen_on]

    @property
    def _stayers(self) -> list[str]:
        return [client_id for client_id in self.members if client_id not in self.leavers]

    def sift_masks(self) -> list[MethodRow]:
        """A row for SIFT-Masks, and one for SIFT + Merge: the same run served without masks."""
        self.bars.prefix = f"{METHODS[SIFT_MASKS].title} "
        started = time.perf_counter()
        clients = places(self.client_ids, [*self.members, *self.newcomers])
        masks = self.out / "masks"
        masks.mkdir(parents=True)
        leaving = self.config.leaving(*self.leavers)
        outcome = federate(self.pool, leaving, clients, self.bars, masks=masks, newcomers=self.newcomers)
        seconds = time.perf_counter() - started
        alone = dataclasses.replace(self.config.leaving(), evaluate=False)
        never_joined = federate(self.pool, alone, places(self.client_ids, self._stayers), self.bars)
        merge, removal = outcome.rounds
        _check(SIFT_MASKS, [merge.failures, removal.failures, never_joined.rounds[0].failures])
        self._take_baselines(merge)
        steps = [body.steps_retrained for body in outcome.receipts]
        first, again = self._spent(merge, removal, {body.client: body.steps_retrained for body in outcome.receipts})
        same = outcome.state_digest == never_joined.state_digest
        return [
            self._row(METHODS[name], merge.scores, removal.scores, score, score)(
                state_digest=outcome.state_digest,
                exact_in_bits=same,
                differing_entries=0.0 if same else None,
                distance_left=0.0 if same else None,
                trainings=[1] * len(steps),
                steps=steps,
                first=first,
                removals=again,
                seconds=seconds,
                hyper_parameters={},
                validation_scorings=0,
            )
            for name, score in ((SIFT_MASKS, "served"), (SIFT_MERGE, "merged"))
        ]

    def _spent(self, merge: SiftRecord, removal: SiftRecord, steps: Mapping[str, int]) -> tuple[Spent, Spent]:
        """What the merge took on the virtual clock, and what the leavers' trainings did, one after the other."""
        of_leavers = (merge.upload_bytes - removal.upload_bytes) // len(steps)
        sent = dict.fromkeys(self.members, merge.upload_bytes // merge.members)
        first = self.schedule.trained({each: self.own_steps(each) for each in self.members}, sent)
        again = Spent()
        for client_id, number in steps.items():
            again.add(self.schedule.trained({client_id: number}, {client_id: of_leavers}))
        return first, again

    def score_alone(self) -> None:
        """Find the baselines where SIFT-Masks is not compared: its merge alone has them scored."""
        self.bars.prefix = "baselines "
        clients, masks = places(self.client_ids, [*self.members, *self.newcomers]), self.out / "masks"
        masks.mkdir(parents=True)
        outcome = federate(self.pool, self.config.leaving(), clients, self.bars, masks=masks, newcomers=self.newcomers)
        shutil.rmtree(masks)
        (merge,) = outcome.rounds
        _check("baselines", [merge.failures])
        self._take_baselines(merge)

    def _take_baselines(self, merge: SiftRecord) -> None:
        seed = self.config.seed
        members = MemberScores.of(*scores_of_members(merge, self.config), merge.blend, seed)
        newcomers = NewcomerScores.of(merge, seed)
        for name in ("zero_shot", "majority"):
            theirs: list[Score | None] = [getattr(each, name, None) for each in (members, newcomers)]
            if any(theirs):
                self.baselines.append(Baseline(name, SCORES[name], *map(self._without_chosen_on, theirs)))
        if members and members.alone_by:
            self.alone = self._without_chosen_on(members.alone)
            self.baselines.append(Baseline("alone", f"alone: {SCORES[members.alone_by]}", self.alone, None))

    def _without_chosen_on(self, score: Score | None) -> Score | None:
        return score and score.without(self.chosen_on, self.config.seed)

    def compared(self, name: str) -> MethodRow:
        """A row for any other method."""
        kind = compared_named(name)
        self.bars.prefix = f"{kind.title} "
        started = time.perf_counter()
        last = 1 + len(self.leavers)
        method = kind(self.layout)
        played = self._play(method, self.members, self.newcomers, "vectors", rounds=last, evaluated={1, last})
        seconds = time.perf_counter() - started
        wanted = kind(self.layout, method.chosen)
        never_joined = self._play(wanted, self._stayers, (), "never-joined")
        merge, *removals = played.rounds
        _check(name, [record.failures for record in (*played.rounds, *never_joined.rounds)])
        same = method.digest() == wanted.digest()
        after, target = method.shared(), wanted.shared()
        again = Spent()
        for record in removals:
            again.add(record.spent)
        distance_left = 0.0 if same else None
        if played.before_removals and not same:
            distance_left = _distance(after, target) / _distance(played.before_removals, target)
        return self._row(type(method), merge.scores, removals[-1].scores, "served 0", "served 0")(
            state_digest=method.digest(),
            exact_in_bits=same,
            differing_entries=_differing(after, target),
            distance_left=distance_left,
            trainings=[record.trainings for record in removals],
            steps=[record.steps for record in removals],
            first=merge.spent,
            removals=again,
            seconds=seconds,
            hyper_parameters=dict(method.hyper_parameters),
            validation_scorings=sum(record.validation_scorings for record in played.rounds),
        )

    def _row(self, method: type[Method], before: Scores, after: Scores, own: str, others: str) -> partial[MethodRow]:
        """The facts, and mean scores before and after the removals: of `own` where clients are members, else `others`.

        What else a row has is still to be given.
        """
        total = len(self.members)

        def score(clients: Sequence[str], name: str) -> Score | None:
            kept = {each: before[each][name] for each in clients if name in before.get(each, {})}
            return Score.of(kept, self.config.seed)

        def mean(scores: Scores, clients: Sequence[str], name: str) -> float | None:
            return mean_scores({each: scores[each] for each in clients if each in scores}).get(name)

        members, newcomers = score(self._reported(self.members), own), score(self.newcomers, others)
        for when, scores, joined in (("before", before, {*self.members}), ("after", after, {*self._stayers})):
            for client_id, named in scores.items():
                if (value := named.get(own if client_id in joined else others)) is not None:
                    self.per_client.setdefault(client_id, {})[f"{method.name} {when}"] = value
        return partial(
            MethodRow,
            name=method.name,
            title=method.title,
            exact=method.exact,
            members_before=members.mean if members else None,
            members_low=members.low if members else None,
            members_high=members.high if members else None,
            better_than_alone=number_above(members, self.alone) if self.alone else None,
            worse_than_alone=number_above(self.alone, members) if self.alone else None,
            members_after=mean(after, self._reported(self._stayers), own),
            leavers_before=mean(before, self.leavers, own),
            leavers_after=mean(after, self.leavers, others),
            newcomers_before=newcomers.mean if newcomers else None,
            newcomers_low=newcomers.low if newcomers else None,
            newcomers_high=newcomers.high if newcomers else None,
            newcomers_after=mean(after, self.newcomers, others),
            trainings_of_all_removals=method.cost.of_all(total, self.schedule.rounds * self.schedule.sample),
            storage_bytes=method.storage(self.layout.size, total),
        )

    def _play(
        self,
        method: ComparedMethod,
        clients: Sequence[str],
        newcomers: Sequence[str],
        folder: str,
        evaluated: Container[int] = (),
        rounds: int = 1,
    ) -> MethodRounds:
        """Rounds of a method.

        Its clients keep task vectors in `folder`: a never-joined run shares no training with what it checks.
        """
        vectors = self.out / folder
        vectors.mkdir(parents=True, exist_ok=True)
        everybody = [*clients, *newcomers]
        nodes = node_configs(places(self.client_ids, everybody), newcomers=newcomers, vector_folder=vectors)
        for client_id, node in zip(everybody, nodes, strict=True):
            if client_id in self.leavers:
                script = ClientScript({1: Wish.JOIN, 2 + self.leavers.index(client_id): Wish.LEAVE})
                node.update(script.to_user_config())
        user_config = self.config.leaving(*self.leavers).to_user_config()
        played = MethodRounds(method, evaluated, self.schedule)
        grid = RayGrid(self.pool, nodes, user_config, self.bars)
        played.start(grid, ArrayRecord(), num_rounds=rounds, timeout=math.inf)
        return played


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


def _distance(found: Mapping[str, Vector], wanted: Mapping[str, Vector]) -> float:
    """Euclidean, over all that is shared."""
    return math.hypot(*(float(np.linalg.norm(found[name] - wanted[name])) for name in wanted))
