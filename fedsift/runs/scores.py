"""Scores as people are shown them: what members and newcomers are served, beside what they have without it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from math import exp
from typing import Self

from fedsift.configuration.run_config import RunConfig
from fedsift.core.bootstrap import estimate
from fedsift.federation.evaluation import HELD_IN, NLL, ROUGE_L
from fedsift.protocol.client_rounds import RoundRecord

# The kinds of scores of members, in the order in which they are shown, and how people know them.
SCORES = {
    "zero_shot": "zero-shot",
    "majority": "majority",
    "local": "local",
    "own_head": "own head",
    "merged": "merged",
    "sift_masks_paper": "SIFT-Masks (paper)",
    "sift_masks": "SIFT-Masks",
    "shared_head": "shared head",
    "served": "served",
}
ALONE = ("local", "own_head", "majority")  # what a client can have without anybody else
MARGIN = 0.01  # that a member's served model may lose to its own tuned one without a warning
_MOST = 700.0  # of a number whose exponential is taken
_OF_NEWCOMERS = ("zero_shot", "majority", "served", "served_own_rows", "merged")


@dataclass(frozen=True)
class Score:
    """A kind of score: each client's, and the mean over those who have it with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float
    per_client: dict[str, float]

    @classmethod
    def of(cls, per_client: Mapping[str, float], root_seed: int) -> Self | None:
        """From the clients' scores; None where nobody has one."""
        kept = {client: per_client[client] for client in sorted(per_client)}
        return cls(*estimate(kept.values(), root_seed), kept) if kept else None

    def __str__(self) -> str:
        return with_interval(self.mean, self.low, self.high)

    def without(self, clients: Container[str], root_seed: int) -> Self | None:
        """The score of all others."""
        return self.of({each: value for each, value in self.per_client.items() if each not in clients}, root_seed)


@dataclass(frozen=True)
class HeldIn:
    """Scores on the rows that members tuned on, where all others are on rows that nobody tuned on."""

    local: Score | None
    served: Score | None

    def without(self, clients: Container[str], root_seed: int) -> Self:
        """The scores of all others."""
        local, served = self.local, self.served
        return type(self)(local and local.without(clients, root_seed), served and served.without(clients, root_seed))


@dataclass(frozen=True)
class MemberScores:
    """What members are served beside what they have without it; None for a score that nobody has."""

    zero_shot: Score | None
    majority: Score | None
    alone: Score | None  # of `alone_by`
    served: Score | None
    merged: Score | None
    alone_by: str | None  # that of `ALONE` whose mean is the highest
    better_than_alone: int  # how many are better off with what they are served
    worse_than_alone: int
    held_in: HeldIn | None  # None where all scores are
    blend: dict[str, float]  # the setting that they chose by vote; empty without a vote

    @classmethod
    def of(
        cls, scores: Mapping[str, Score], held_in: HeldIn | None, blend: dict[str, float], root_seed: int
    ) -> Self | None:
        """From scores by kind (`SCORES`), of members and perhaps of others; None where no member has any."""
        if "sift_masks" not in scores:
            return None
        members = scores["sift_masks"].per_client

        def of_members(kind: str) -> Score | None:
            score = scores.get(kind)
            return score and score.without(score.per_client.keys() - members.keys(), root_seed)

        known = {kind: score for kind in ALONE if (score := of_members(kind))}
        alone_by = max(known, key=lambda kind: known[kind].mean, default=None)
        alone, served = known[alone_by] if alone_by else None, of_members("served")
        return cls(
            zero_shot=of_members("zero_shot"),
            majority=known.get("majority"),
            alone=alone,
            served=served,
            merged=of_members("merged"),
            alone_by=alone_by,
            better_than_alone=number_above(served, alone),
            worse_than_alone=number_above(alone, served),
            held_in=held_in,
            blend=blend,
        )

    def without(self, clients: Container[str], scores: Mapping[str, Score], root_seed: int) -> Self | None:
        """The scores of all others, made anew by kind; the blend was also these clients' choice."""
        return self.of(scores, self.held_in and self.held_in.without(clients, root_seed), {}, root_seed)

    @property
    def lost(self) -> float:
        """By how much members are worse off than alone in the mean; 0 where they are not."""
        return max(0.0, self.alone.mean - self.served.mean) if self.alone and self.served else 0.0


@dataclass(frozen=True)
class NewcomerScores:
    """What clients that never join are served beside what they have without it; None for what nobody has."""

    zero_shot: Score | None
    majority: Score | None
    served: Score | None
    served_own_rows: Score | None  # with their own rows on top
    merged: Score | None
    better_than_zero_shot: int  # how many are better off with what they are served
    worse_than_zero_shot: int

    @classmethod
    def of(cls, record: RoundRecord, root_seed: int) -> Self | None:
        """From what a round did; None where nobody of them was scored."""
        theirs = {client: named for client, named in record.scores.items() if client in record.newcomers}
        return cls._of({kind: Score.of(_named(theirs, kind), root_seed) for kind in _OF_NEWCOMERS})

    @classmethod
    def _of(cls, found: Mapping[str, Score | None]) -> Self | None:
        zero_shot, served = found["zero_shot"], found["served"]
        better, worse = number_above(served, zero_shot), number_above(zero_shot, served)
        return cls(**found, better_than_zero_shot=better, worse_than_zero_shot=worse) if served else None

    def without(self, clients: Container[str], root_seed: int) -> Self | None:
        """The scores of all others."""
        found: dict[str, Score | None] = {kind: getattr(self, kind) for kind in _OF_NEWCOMERS}
        return self._of({kind: score and score.without(clients, root_seed) for kind, score in found.items()})


@dataclass(frozen=True)
class ServedBelowLocal:
    """How many members are served worse than their own tuned model by more than `MARGIN`, and what may help."""

    members: int
    of: int  # members that have both scores
    advice: str  # options of a run; empty where nobody is

    @classmethod
    def of_scores(cls, scores: Mapping[str, Score], advice: str) -> "ServedBelowLocal":
        """From the scores by kind."""
        local, served = (scores[kind].per_client if kind in scores else {} for kind in ("local", "sift_masks"))
        both = local.keys() & served.keys()
        members = sum(served[each] < local[each] - MARGIN for each in both)
        return cls(members, len(both), advice if members else "")


@dataclass(frozen=True)
class TextScores:
    """What language modelling is scored by beside answer probability; each by kind of score."""

    nll: dict[str, Score]  # negative log-likelihood a token
    perplexity: dict[str, float]  # exp of its mean over clients
    rouge_l: dict[str, Score]  # of greedy generation; empty where it was not asked for

    @classmethod
    def of(cls, nll: Mapping[str, Score], rouge_l: Mapping[str, Score]) -> Self | None:
        """From scores by kind; None where there is no likelihood."""
        return (
            cls({**nll}, {kind: exp(min(score.mean, _MOST)) for kind, score in nll.items()}, {**rouge_l})
            if nll
            else None
        )

    @classmethod
    def of_round(cls, record: RoundRecord, config: RunConfig, newcomers: bool) -> Self | None:
        """Of what a round's newcomers, or all others, have."""
        theirs = {each: named for each, named in record.scores.items() if (each in record.newcomers) == newcomers}
        names = dict.fromkeys(_OF_NEWCOMERS) if newcomers else _names(config)

        def found(prefix: str) -> dict[str, Score]:
            of_kind = {
                kind: Score.of(_named(theirs, f"{prefix}{name or kind}"), config.seed) for kind, name in names.items()
            }
            return {kind: score for kind, score in of_kind.items() if score}

        return cls.of(found(NLL), found(ROUGE_L))

    def without(self, clients: Container[str], root_seed: int) -> Self | None:
        """The scores of all others."""
        return self.of(*(without(each, clients, root_seed) for each in (self.nll, self.rouge_l)))


def without(scores: Mapping[str, Score], clients: Container[str], root_seed: int) -> dict[str, Score]:
    """Scores by kind, of all others; kinds that nobody has are left out."""
    others = {kind: score.without(clients, root_seed) for kind, score in scores.items()}
    return {kind: score for kind, score in others.items() if score}


def _names(config: RunConfig) -> dict[str, str]:
    """What clients call the kinds of scores."""
    return {**{kind: kind for kind in SCORES}, "sift_masks_paper": "paper", "sift_masks": config.localise}


def scores_of_members(record: RoundRecord, config: RunConfig) -> tuple[dict[str, Score], HeldIn | None]:
    """A round's scores by kind, of all clients but newcomers, and the held-in ones; what nobody has is left out."""
    theirs = {client: named for client, named in record.scores.items() if client not in record.newcomers}
    found = {kind: Score.of(_named(theirs, name), config.seed) for kind, name in _names(config).items()}
    held_in = HeldIn(*(Score.of(_named(theirs, f"{HELD_IN}{kind}"), config.seed) for kind in ("local", "served")))
    some = held_in if held_in.local or held_in.served else None
    return {kind: score for kind, score in found.items() if score}, some


def _named(scores: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    """Each client's score of a name, of those who have it."""
    return {client: named[name] for client, named in scores.items() if name in named}


def number_above(higher: Score | None, lower: Score | None) -> int:
    """How many clients have a higher score in the one than in the other."""
    if higher is None or lower is None:
        return 0
    others = lower.per_client
    return sum(value > others[client] for client, value in higher.per_client.items() if client in others)


def with_interval(mean: float, low: float, high: float) -> str:
    """A mean and its interval for people: .672 [.641, .702]."""
    return f"{three_places(mean)} [{three_places(low)}, {three_places(high)}]"


def decimals(value: float) -> str:
    """A score for people: 0.672, and what would so print as 0 but is not as 3.2e-5."""
    shown = f"{value:.3f}"
    if not value or float(shown):
        return shown
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def three_places(value: float) -> str:
    """The same; below 1 without the zero before the point."""
    shown = decimals(value)
    return shown.replace("0.", ".", 1) if shown.removeprefix("-").startswith("0.") else shown
