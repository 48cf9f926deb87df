"""Central FT under attack, which trains again to remove, and what subtracts from it: task negation, NegMerge and MSA.

The trainings and the search are those of the strategies, with fewer steps where so asked. Reference models are Central
FT on other clients, for the approximate methods as well: nothing has been unlearned in them.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from statistics import mean

from fedsift.core.examples import Row
from fedsift.strategies.central_ft import CentralFineTuning
from fedsift.strategies.compared_method import VALIDATION_CLIENTS
from fedsift.strategies.merging.negation import best_candidate
from fedsift.strategies.msa import Msa
from fedsift.strategies.negated_central_ft import NegatedCentralFineTuning
from fedsift.strategies.negmerge import NegMerge
from fedsift.strategies.pooled_training import stage_steps
from fedsift.strategies.task_negation import TaskNegation
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, Parties, Reference, Subject, always
from fedsift.studies.training_cache import TrainingCache
from fedsift.studies.training_calls import FineTuning, Vector

_APPROXIMATE: tuple[type[NegatedCentralFineTuning], ...] = (TaskNegation, NegMerge, Msa)


class CentralUnderAttack:
    """Pooled trainings of any clients, and what the approximate methods make of them."""

    def __init__(
        self, cache: TrainingCache, parties: Parties, rows: Mapping[str, Sequence[Row]], client_steps: int
    ) -> None:
        """Train nothing yet.

        Args:
            cache: trains and scores.
            parties: of the attack.
            rows: of members and strangers, to train on.
            client_steps: a pool takes so many steps for each of its clients, up to the most that a pool takes.
        """
        self._cache, self._parties, self._rows, self._client_steps = cache, parties, rows, client_steps

    def subjects(self, halves: Sequence[Collection[str]]) -> list[Subject]:
        """Central FT, and the approximate methods on top of it; `halves`: clients of the reference models."""
        parties = self._parties
        pools = {BEFORE: parties.members, AFTER: parties.stayers, ORACLE: parties.stayers}
        pools |= {f"reference {number}": sorted(half) for number, half in enumerate(halves)}
        trained = dict(self._cache.tuned(((name, self._pool(clients)) for name, clients in pools.items()), len(pools)))
        references = [
            Reference(half, partial(always, trained[f"reference {number}"])) for number, half in enumerate(halves)
        ]
        before, oracle = trained[BEFORE], trained[ORACLE]
        after = {CentralFineTuning.method.title: trained[AFTER], **dict(self._approximated(before))}
        return [
            Subject(title, {BEFORE: always(before), AFTER: always(vector), ORACLE: always(oracle)}, references, True)
            for title, vector in after.items()
        ]

    def _approximated(self, model: Vector) -> Iterator[tuple[str, Vector]]:
        """Title of each approximate method -> the model without the leavers, as the method has it."""
        retain = self._pool(self._control())
        tunings = {"retain": retain}
        for method in _APPROXIMATE:
            start = model if method.from_model else None
            for factor in method.lr_factors:
                tunings[_name(method, factor)] = self._pool(self._parties.leavers, start, factor)
        trained = dict(self._cache.tuned(tunings.items(), len(tunings)))
        for method in _APPROXIMATE:
            forget = [trained[_name(method, factor)] for factor in method.lr_factors]
            if method.from_model:
                forget = [each - model for each in forget]
            parts = method(self._cache.size, evaluated=()).parts(forget, trained["retain"])
            terms = self._searched(method, model, parts)
            yield method.method.title, method.arithmetic(model, parts, **terms)

    def _searched(
        self, method: type[NegatedCentralFineTuning], model: Vector, parts: Mapping[str, Vector]
    ) -> Mapping[str, float]:
        """The hyper-parameters with the lowest score of the leavers that leave the control clients theirs."""
        leavers, control = self._parties.leavers, self._control()
        forgotten, kept = [], []
        for terms in method.searched:
            candidate = {"": method.arithmetic(model, parts, **terms)}
            scores = self._cache.scores(((client_id, candidate) for client_id in [*leavers, *control]), 0)
            forgotten.append(mean(scores[each][""] for each in leavers))
            kept.append(mean(scores[each][""] for each in control))
        return method.searched[best_candidate(forgotten, kept)]

    def _control(self) -> list[str]:
        return self._parties.stayers[:VALIDATION_CLIENTS]

    def _pool(self, clients: Sequence[str], start: Vector | None = None, lr_factor: float = 1.0) -> FineTuning:
        name = hashlib.sha256(json.dumps(list(clients)).encode()).hexdigest()
        rows = [row for client_id in clients for row in self._rows[client_id]]
        return FineTuning(name, rows, stage_steps(self._client_steps, len(clients), 0, 1), start, lr_factor)


def _name(method: type[NegatedCentralFineTuning], lr_factor: float) -> str:
    """Of a training on the leavers' rows; methods that need the same one share it."""
    return f"forget from {'the model' if method.from_model else 'M0'}, {lr_factor}"
