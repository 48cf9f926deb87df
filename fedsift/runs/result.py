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
from fedsift.runs.privacy import PrivacySpent
from fedsift.runs.scores import (
    MemberScores,
    NewcomerScores,
    Score,
    ServedBelowLocal,
    TextScores,
    scores_of_members,
    without,
)


@dataclass(frozen=True)
class Removal:
    """What became of a request to leave.

    Once the run goes on, `client` is None here for one that has left: only the receipt says who it was.
    """

    client: str | None  # who asked
    receipt: int  # its number
    verdict: Verdict  # how it ended
    reason: str | None  # why, where it is not bit-exact
    steps_retrained: int  # optimiser steps that it took
    state_digest_after: str  # of the state afterwards, in hexadecimal
    score_before: float | None = None  # of what the client was served as a member
    score_after: float | None = None  # of what it is served now

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
        return not self.verdict.done and self.client is not None


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
    """The result of a run, as result.json has it (docs/reference/run-folder.md)."""

    clients: int  # members after the merge
    tuned_parameters: int  # n
    metric: str  # what scores are
    held_out: bool  # whether they are on rows that nobody tuned on
    members: MemberScores | None  # after the merge; None where nobody was scored
    newcomers: NewcomerScores | None
    members_after_removal: MemberScores | None  # after the last round; None where there was but one
    newcomers_after_removal: NewcomerScores | None
    scores: dict[str, Score]  # after the merge, by kind (`SCORES`); of all but newcomers
    scores_after_removal: dict[str, Score] | None  # after the last round; those who left have what others are served
    served_below_local: ServedBelowLocal  # after the merge
    text: TextScores | None  # of language modelling; after the merge, of all but newcomers
    text_after_removal: TextScores | None  # after the last round; None where there was but one
    text_of_newcomers: TextScores | None  # after the merge
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
    seed: int  # root of all seeds; the intervals' too
    privacy: PrivacySpent | None  # of what was published; None without noise on it

    @classmethod
    def of(
        cls, config: RunConfig, metric: str, outcome: Outcome, oracle: str | None, seconds: Mapping[str, float]
    ) -> "RunResult":
        """From what the rounds came to, and the oracle's state digest."""
        merge, final = outcome.rounds[0], outcome.rounds[-1]
        before, held_in = scores_of_members(merge, config)
        after, held_in_after = scores_of_members(final, config) if len(outcome.rounds) > 1 else (None, None)
        earlier, own = outcome.receipts[: outcome.earlier_receipts], outcome.receipts[outcome.earlier_receipts :]
        served, served_after = (
            kinds["served"].per_client if "served" in kinds else {} for kinds in (before, after or {})
        )
        return cls(
            clients=merge.members,
            tuned_parameters=outcome.tuned_parameters,
            metric=metric,
            held_out=config.is_held_out,
            members=MemberScores.of(before, held_in, merge.blend, config.seed),
            newcomers=NewcomerScores.of(merge, config.seed),
            members_after_removal=MemberScores.of(after or {}, held_in_after, final.blend, config.seed),
            newcomers_after_removal=None if after is None else NewcomerScores.of(final, config.seed),
            scores=before,
            scores_after_removal=after,
            served_below_local=ServedBelowLocal.of_scores(before, _advice(config)),
            text=TextScores.of_round(merge, config, newcomers=False),
            text_after_removal=None if after is None else TextScores.of_round(final, config, newcomers=False),
            text_of_newcomers=TextScores.of_round(merge, config, newcomers=True),
            upload_bytes_mean=merge.upload_bytes / merge.members,
            dense_bytes=4 * outcome.tuned_parameters,
            server_bytes=outcome.server_bytes,
            server_peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            saturated_share=merge.saturated / (merge.members * outcome.tuned_parameters),
            state_digest=outcome.state_digest,
            removals=_unnamed(map(Removal.of, earlier), removed_clients(earlier))
            + [Removal.of(body, served, served_after) for body in own],
            failures={client_id: why for record in outcome.rounds for client_id, why in record.failures.items()},
            profile=config.profile,
            oracle=None if oracle is None else Oracle(oracle, oracle == outcome.state_digest),
            seconds={phase: round(value, 3) for phase, value in seconds.items()},
            environment=list(outcome.environments),
            seed=config.seed,
            privacy=PrivacySpent.of(config.publish_noise, outcome.publications),
        )

    @property
    def proven(self) -> bool:
        """Whether no removal stands refused and the oracle, where asked, agrees."""
        refused = any(each.stands_refused for each in self.removals)
        return not refused and (self.oracle is None or self.oracle.bit_identical)

    def after(self, receipts: Sequence[ReceiptBody], state_digest: str) -> "RunResult":
        """The result after further receipts.

        No score of a client that left, or had rows forgotten, is in it, and nothing tells who left.
        """
        gone, seed = removed_clients(receipts), self.seed
        # Who had rows forgotten has another model now, or other rows to be scored on.
        removed = gone | {body.client for body in receipts if body.verdict is Verdict.ROWS_BIT_EXACT}
        scores, after = without(self.scores, removed, seed), self.scores_after_removal
        scores_after = None if after is None else without(after, removed, seed)
        members, members_after = self.members, self.members_after_removal
        newcomers, newcomers_after = self.newcomers, self.newcomers_after_removal
        text, text_after, text_of_newcomers = self.text, self.text_after_removal, self.text_of_newcomers
        return dataclasses.replace(
            self,
            members=members and members.without(removed, scores, seed),
            newcomers=newcomers and newcomers.without(removed, seed),
            members_after_removal=members_after and members_after.without(removed, scores_after or {}, seed),
            newcomers_after_removal=newcomers_after and newcomers_after.without(removed, seed),
            scores=scores,
            scores_after_removal=scores_after,
            served_below_local=ServedBelowLocal.of_scores(scores, self.served_below_local.advice),
            text=text and text.without(removed, seed),
            text_after_removal=text_after and text_after.without(removed, seed),
            text_of_newcomers=text_of_newcomers and text_of_newcomers.without(removed, seed),
            failures={each: why for each, why in self.failures.items() if each not in removed},
            removals=_unnamed([*self.removals, *map(Removal.of, receipts)], gone),
            state_digest=state_digest,
            oracle=None,
        )


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
