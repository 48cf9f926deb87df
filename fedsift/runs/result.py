"""What a run comes to: `result.json`."""

import dataclasses
import resource
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedsift.configuration.run_config import RunConfig
from fedsift.core.localisation import OWN_LEVELS, Localisation
from fedsift.core.quantisation import MAX_BITS, grid_for, highest_level
from fedsift.core.receipt import ReceiptBody, Verdict
from fedsift.federation.outcome import Outcome
from fedsift.federation.round_log import removed_clients
from fedsift.strategies.sift_masks import SiftRecord

# The kinds of scores, in the order in which they are shown, and how people know them.
SCORES = {
    "zero_shot": "zero-shot",
    "local": "local",
    "merged": "merged",
    "sift_masks_paper": "SIFT-Masks as published",
    "sift_masks": "SIFT-Masks",
}

MARGIN = 0.01  # that a member's served model may lose to its own tuned one without a warning


@dataclass(frozen=True)
class Score:
    """A kind of score: each client's, and the mean over those who have it."""

    mean: float
    per_client: dict[str, float]

    @classmethod
    def of(cls, per_client: dict[str, float]) -> "Score":
        """From at least one client's score."""
        return cls(sum(per_client.values()) / len(per_client), per_client)


@dataclass(frozen=True)
class ServedBelowLocal:
    """How many members are served worse than their own tuned model by more than `MARGIN`, and what may help."""

    members: int
    of: int  # members that have both scores
    advice: str  # options of a run

    @classmethod
    def of_scores(cls, scores: Mapping[str, Score], advice: str) -> "ServedBelowLocal":
        """From the scores by kind."""
        local, served = (scores[kind].per_client if kind in scores else {} for kind in ("local", "sift_masks"))
        both = local.keys() & served.keys()
        return cls(sum(served[each] < local[each] - MARGIN for each in both), len(both), advice)


@dataclass(frozen=True)
class Removal:
    """What became of a request to leave.

    Of a client that has left, only the receipt says who it was, once the run goes on: None in its place here.
    """

    client: str | None  # who asked
    receipt: int  # number of the receipt
    verdict: Verdict  # what became of it
    reason: str | None  # why, where it is not bit-exact
    steps_retrained: int  # optimiser steps that it took
    state_digest_after: str  # of the state, in hexadecimal
    score_before: float | None = None  # of the client as a member
    score_after: float | None = None  # of the merged model without it

    @classmethod
    def of(cls, body: ReceiptBody, before: Mapping[str, float] = {}, after: Mapping[str, float] = {}) -> "Removal":
        """From what the receipt says, and scores by client."""
        return cls(
            client=body.client,
            receipt=body.number,
            verdict=body.verdict,
            reason=body.reason,
            steps_retrained=body.steps_retrained,
            state_digest_after=body.state_after,
            score_before=before.get(body.client),
            score_after=after.get(body.client),
        )

    @property
    def stands_refused(self) -> bool:
        """Whether it was refused, and the client has not left since."""
        return not self.verdict.removed and self.client is not None


def _unnamed(removals: Iterable[Removal], removed: Collection[str]) -> list[Removal]:
    """Without what tells who the removed were."""
    return [
        dataclasses.replace(each, client=None, reason=None, score_before=None, score_after=None)
        if each.client in removed
        else each
        for each in removals
    ]


@dataclass(frozen=True)
class Oracle:
    """The retrained reference: a run in which nobody but the members of now ever was."""

    state_digest: str
    bit_identical: bool


@dataclass(frozen=True)
class RunResult:
    """result.json of a run."""

    clients: int  # members after the merge
    tuned_parameters: int  # n
    metric: str  # what scores are
    scores: dict[str, Score]  # after the merge, by kind (`SCORES`)
    scores_after_removal: dict[str, Score] | None  # after the last round; None where there was but one
    served_below_local: ServedBelowLocal  # after the merge
    upload_bytes_mean: float  # of an upload
    dense_bytes: int  # of a dense float32 one
    server_bytes: int  # of both sums
    server_peak_memory_bytes: int  # of the whole process
    saturated_share: float  # of the entries that the highest level cut
    state_digest: str  # of the state, in hexadecimal
    removals: list[Removal]  # in the order of their receipts
    failures: dict[str, str]  # client -> at what stage it failed first, and why
    profile: str  # of reproducibility
    oracle: Oracle | None  # None where it was not asked
    seconds: dict[str, float]  # by phase
    environment: list[dict[str, str]]  # distinct fingerprints of the workers

    @classmethod
    def of(
        cls, config: RunConfig, metric: str, outcome: Outcome, oracle: str | None, seconds: Mapping[str, float]
    ) -> "RunResult":
        """From what the rounds came to, and the oracle's state digest."""
        merge, final = outcome.rounds[0], outcome.rounds[-1]
        before, after = _by_kind(merge, config.localise), _by_kind(final, config.localise)
        earlier, own = outcome.receipts[: outcome.earlier_receipts], outcome.receipts[outcome.earlier_receipts :]
        served, merged, scores = before["sift_masks"], after["merged"], _scores(before)
        return cls(
            clients=merge.members,
            tuned_parameters=outcome.tuned_parameters,
            metric=metric,
            scores=scores,
            served_below_local=ServedBelowLocal.of_scores(scores, _advice(config)),
            scores_after_removal=_scores(after) if len(outcome.rounds) > 1 else None,
            upload_bytes_mean=merge.upload_bytes / merge.members,
            dense_bytes=4 * outcome.tuned_parameters,
            server_bytes=outcome.server_bytes,
            server_peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            saturated_share=merge.saturated / (merge.members * outcome.tuned_parameters),
            state_digest=outcome.state_digest,
            removals=_unnamed(map(Removal.of, earlier), removed_clients(earlier))
            + [Removal.of(body, served, merged) for body in own],
            failures={client_id: why for record in outcome.rounds for client_id, why in record.failures.items()},
            profile=config.profile,
            oracle=None if oracle is None else Oracle(oracle, oracle == outcome.state_digest),
            seconds={phase: round(value, 3) for phase, value in seconds.items()},
            environment=list(outcome.environments),
        )

    @property
    def proven(self) -> bool:
        """Whether no removal stands refused and the oracle, where asked, agrees."""
        refused = any(each.stands_refused for each in self.removals)
        return not refused and (self.oracle is None or self.oracle.bit_identical)

    def after(self, receipts: Sequence[ReceiptBody], state_digest: str) -> "RunResult":
        """The result after further receipts: no score of a client that left is in it, and nothing tells who it was."""
        removed, after = removed_clients(receipts), self.scores_after_removal

        def remaining(score: Score) -> dict[str, float]:
            return {each: value for each, value in score.per_client.items() if each not in removed}

        scores = _scores({kind: remaining(each) for kind, each in self.scores.items()})
        return dataclasses.replace(
            self,
            scores=scores,
            served_below_local=ServedBelowLocal.of_scores(scores, self.served_below_local.advice),
            scores_after_removal=after and _scores({kind: remaining(each) for kind, each in after.items()}),
            failures={each: why for each, why in self.failures.items() if each not in removed},
            removals=_unnamed([*self.removals, *map(Removal.of, receipts)], removed),
            state_digest=state_digest,
            oracle=None,
        )


def _by_kind(record: SiftRecord, localise: str) -> dict[str, dict[str, float]]:
    """From client -> score to kind -> client, with the localisations under their kinds; without newcomers."""
    sources = {**{kind: kind for kind in SCORES}, "sift_masks_paper": "paper", "sift_masks": localise}
    scores = {client: named for client, named in record.scores.items() if client not in record.newcomers}
    return {
        kind: {client: scores[client][source] for client in sorted(scores) if source in scores[client]}
        for kind, source in sources.items()
    }


def _scores(by_kind: Mapping[str, dict[str, float]]) -> dict[str, Score]:
    """Kinds of which nobody has a score are left out."""
    return {kind: Score.of(per_client) for kind, per_client in by_kind.items() if per_client}


def _advice(config: RunConfig) -> str:
    """What has members served closer to their own models."""
    if not Localisation(config.localise).keeps_levels:
        return f"--localise {OWN_LEVELS}"
    given, follows = config.grid, grid_for(config.lr, config.steps)
    if given.max_magnitude < follows.max_magnitude and config.max_magnitude:
        return "leaving max-magnitude out"
    if given.threshold and given.levels >= follows.levels:
        return "leaving threshold out"
    return f"--levels {min(max(2 * given.levels, follows.levels), highest_level(MAX_BITS))}"
