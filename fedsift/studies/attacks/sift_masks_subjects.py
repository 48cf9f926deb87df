"""SIFT-Masks under attack: the merged model that everybody is served, and the own models that members are."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np

from fedsift.core.contribution import Quantised, UploadTerms, quantise
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask
from fedsift.core.seeds import derive_seed
from fedsift.core.server_state import ServerState
from fedsift.core.task_vectors import Vector
from fedsift.learning.models import load_layout
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.attacks.difference import Sums, before_minus_after, recovered
from fedsift.studies.attacks.subjects import (
    AFTER,
    BEFORE,
    ORACLE,
    OUTSIDER,
    SERVER,
    STAYER,
    Parties,
    Reference,
    Served,
    Subject,
    always,
)
from fedsift.studies.training_cache import TrainingCache

_TITLE = METHODS[SIFT_MASKS].title
OWN_MASK = f"{_TITLE}, own mask"
DIFFERENCE = f"{_TITLE}, before less after"


class SiftMasksUnderAttack:
    """Server states of any members, from contributions that are trained once and kept in the cache."""

    def __init__(
        self,
        cache: TrainingCache,
        parties: Parties,
        stand_ins: Mapping[str, str] | None = None,
        victim: str | None = None,
    ) -> None:
        """Have everybody train whose contribution is not kept yet.

        Args:
            cache: trains.
            parties: of the attack.
            stand_ins: leaver -> a client of the cache whose rows it has instead of its own.
            victim: a stayer without whom the others are to merge as well.
        """
        self._victim = victim
        self._cache, self._parties, self._stand_ins = cache, parties, stand_ins or {}
        everybody = [*parties.members, *parties.strangers]
        self._magnitudes = cache.sign_fixed([self._stand_ins.get(each, each) for each in everybody])
        config = cache.config
        self._terms = UploadTerms(load_layout(config.model_settings).digest, cache.size, config.sign_seed, cache.grid)
        self._localisation = Localisation(config.localise)

    def subjects(self, halves: Sequence[Collection[str]]) -> list[Subject]:
        """The merged model, the leavers' own models, which are the merged one once they have left, and the difference.

        Args:
            halves: members of the reference states. In one of them a client that is no member is looked for in the
                model of one drawn by lot.
        """
        parties = self._parties
        before, after = self._state(parties.members), self._after(parties.leavers)
        oracle = self._state(parties.stayers)
        without = {AFTER: self._merged(after), ORACLE: self._merged(oracle)}
        host = parties.hosts()

        def own(client_id: str) -> list[Vector]:
            return [self._own(before, host.get(client_id, client_id))]

        def stayers_own(state: ServerState, merged: Served) -> Served:
            return lambda each: [self._own(state, each)] if each in parties.stayers else merged(each)

        own_without = {
            AFTER: stayers_own(after, without[AFTER]),
            ORACLE: stayers_own(oracle, without[ORACLE]),
        }
        published = self._merged(before)
        merged_references = [Reference(half, partial(self._merged_of, half)) for half in halves]
        own_references = [Reference(half, partial(self._hosts, number, half)) for number, half in enumerate(halves)]
        return [
            Subject(_TITLE, {BEFORE: published, **without}, merged_references, True, OUTSIDER, self._without()),
            # It was sent a leaver's upload twice, and an upload is the leaver's own model.
            Subject(OWN_MASK, {BEFORE: own, **own_without}, own_references, False, SERVER),
            # What comes of every exact removal: extraction guided by two models (2505.24379).
            Subject(DIFFERENCE, {BEFORE: published, **without, AFTER: self._less(before, after)}, [], True, STAYER),
        ]

    def _without(self) -> dict[str, Served]:
        if self._victim is None:
            return {}
        everybody, staying = (
            self._merged(self._state([each for each in members if each != self._victim]))
            for members in (self._parties.members, self._parties.stayers)
        )
        return {BEFORE: everybody, AFTER: staying, ORACLE: staying}

    def difference(self) -> dict[str, float | str]:
        """The attack on the sums: state before minus state after is the contribution of who left in between."""
        leavers = self._parties.leavers
        before = self._sums(self._state(self._parties.members))
        alone = before_minus_after(before, self._sums(self._after(leavers[:1])))
        found = recovered(alone, self._quantised(leavers[0]).contribution)
        share = min(found.entries, found.kept)
        verdict = "recovered bit for bit" if share == 1 else "not recovered"
        if len(leavers) > 1:
            together = before_minus_after(before, self._sums(self._after(leavers)))
            kept = np.mean([recovered(together, self._quantised(each).contribution).kept for each in leavers])
            verdict += f"; of each of {len(leavers)} removed as one batch, {kept:.1%} in the mean"
        return {"recovered_share": share, "verdict": verdict}

    def _quantised(self, client_id: str) -> Quantised:
        return quantise(self._magnitudes(self._stand_ins.get(client_id, client_id)), self._terms)

    def _state(self, members: Collection[str]) -> ServerState:
        """Summed up from nothing."""
        state = ServerState.create(None, self._terms, len(members))
        state.publication = self._cache.config.publication
        for client_id in sorted(members):
            state.merge(client_id, self._quantised(client_id).contribution.to_bytes())
        return state

    def _after(self, leavers: Sequence[str]) -> ServerState:
        """All members' state after the removal of some."""
        state = self._state(self._parties.members)
        for client_id in leavers:
            state.stage_removal(client_id, self._quantised(client_id).contribution.to_bytes())
        state.commit_removals()
        return state

    def _merged(self, state: ServerState) -> Served:
        return always(self._cache.signs * state.merged_magnitudes())

    def _less(self, before: ServerState, after: ServerState) -> Served:
        """The leavers' mean task vector, as it is told by the merged models of before and after."""
        members, leavers = len(self._parties.members), len(self._parties.leavers)
        sums = [
            number * state.merged_magnitudes().astype(np.float64)
            for number, state in ((members, before), (members - leavers, after))
        ]
        magnitudes: Vector = ((sums[0] - sums[1]) / leavers).astype(np.float32)
        return always(self._cache.signs * magnitudes)

    def _merged_of(self, members: Collection[str]) -> Served:
        return self._merged(self._state(members))

    def _hosts(self, number: int, members: Collection[str]) -> Served:
        """Own models of members; of one drawn by lot for who is none."""
        drawn, state = sorted(members), self._state(members)

        def own(client_id: str) -> list[Vector]:
            if client_id in members:
                return [self._own(state, client_id)]
            lot = derive_seed(self._cache.config.seed, "attack host", f"{number} {client_id}")
            return [self._own(state, drawn[lot % len(drawn)])]

        return own

    def _own(self, state: ServerState, client_id: str) -> Vector:
        """What a member is served under its own mask."""
        quantised = self._quantised(client_id)
        mask = ClientMask.of(quantised, self._localisation.keeps_levels)
        served = state.serve(client_id, mask.packed, self._localisation)
        return self._cache.signs * self._localisation.localised(served, mask, self._terms)

    @staticmethod
    def _sums(state: ServerState) -> Sums:
        return Sums(state.sums.level_sum, state.sums.mask_count)
