"""Scores of members and newcomers, made up so that what follows can be worked out by hand."""

import dataclasses
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.strict_json import typed
from fedsift.protocol.client_rounds import RoundRecord
from fedsift.runs.scores import MemberScores, NewcomerScores, Score, scores_of_members, three_places

CONFIG = RunConfig(seed=3)

# Three members, one client that could not be merged, two newcomers.
ROUND = RoundRecord(
    newcomers=["new", "other"],
    scores={
        "ann": {"zero_shot": 0.2, "majority": 0.5, "local": 0.4, "own_head": 0.6, "merged": 0.3, "paper": 0.1}
        | {"own": 0.35, "shared_head": 0.7, "served": 0.8, "held_in local": 1.0, "held_in served": 0.9},
        "bob": {"zero_shot": 0.1, "majority": 0.2, "local": 0.5, "own_head": 0.6, "merged": 0.3, "paper": 0.1}
        | {"own": 0.45, "shared_head": 0.7, "served": 0.5, "held_in local": 0.8, "held_in served": 0.7},
        "cem": {"zero_shot": 0.3, "majority": 0.2, "local": 0.3, "own_head": 0.3, "merged": 0.3, "paper": 0.1}
        | {"own": 0.25, "shared_head": 0.7, "served": 0.3, "held_in local": 0.9, "held_in served": 0.8},
        "dan": {"zero_shot": 0.9, "merged": 0.9, "served": 0.9},
        "new": {"zero_shot": 0.4, "majority": 0.1, "merged": 0.5, "served": 0.6, "served_own_rows": 0.7},
        "other": {"zero_shot": 0.4, "majority": 0.3, "merged": 0.5, "served": 0.3, "served_own_rows": 0.5},
    },
)


def members_of(record: RoundRecord) -> MemberScores | None:
    return MemberScores.of(*scores_of_members(record, CONFIG), {"own": 0.3}, CONFIG.seed)


def means(scores: Any, *kinds: str) -> list[float]:
    return [round(getattr(scores, kind).mean, 9) for kind in kinds]


def test_members_beside_what_they_have_alone() -> None:
    """Alone is the own head, .5 in the mean against .4 and .3; ann gains, bob loses, cem neither."""
    scores = members_of(ROUND)
    assert scores is not None
    assert means(scores, "zero_shot", "majority", "merged") == [0.2, 0.3, 0.3]
    assert scores.alone and scores.served and scores.held_in and scores.held_in.local and scores.held_in.served
    assert (scores.alone_by, scores.alone.per_client) == ("own_head", {"ann": 0.6, "bob": 0.6, "cem": 0.3})
    assert (scores.better_than_alone, scores.worse_than_alone, scores.lost) == (1, 1, 0.0)
    assert scores.served.per_client == {"ann": 0.8, "bob": 0.5, "cem": 0.3}  # dan is no member
    assert means(scores.held_in, "local", "served") == [0.9, 0.8]
    assert scores.blend == {"own": 0.3}


def test_scores_by_kind_have_all_but_newcomers() -> None:
    kinds, _ = scores_of_members(ROUND, CONFIG)
    assert list(kinds) == [
        *("zero_shot", "majority", "local", "own_head", "merged", "sift_masks_paper", "sift_masks", "shared_head"),
        "served",
    ]
    assert list(kinds["zero_shot"].per_client) == ["ann", "bob", "cem", "dan"]
    assert kinds["sift_masks"].per_client == {"ann": 0.35, "bob": 0.45, "cem": 0.25}


def test_members_without_one_of_them() -> None:
    """Without ann: alone is the own head, .45, served .4."""
    kinds, _ = scores_of_members(ROUND, CONFIG)
    left = {kind: score for kind, each in kinds.items() if (score := each.without({"ann"}, CONFIG.seed))}
    scores = members_of(ROUND)
    assert scores is not None
    found = scores.without({"ann"}, left, CONFIG.seed)
    assert found is not None and found.alone and found.held_in
    assert means(found, "alone", "served", "zero_shot") == [0.45, 0.4, 0.2]
    assert (found.better_than_alone, found.worse_than_alone, round(found.lost, 9)) == (0, 1, 0.05)
    assert "ann" not in repr(found)
    never = RoundRecord(scores={each: named for each, named in ROUND.scores.items() if each != "ann"})
    assert found.blend == {}  # It was also her choice.
    expected = members_of(never)
    assert expected is not None and found == dataclasses.replace(expected, blend={})


def test_nobody_is_left() -> None:
    assert members_of(RoundRecord(scores={"dan": {"zero_shot": 0.9, "merged": 0.9, "served": 0.9}})) is None
    assert members_of(RoundRecord()) is None
    assert NewcomerScores.of(RoundRecord(newcomers=["new"]), 0) is None


def test_newcomers_beside_zero_shot() -> None:
    scores = NewcomerScores.of(ROUND, CONFIG.seed)
    assert scores is not None
    kinds = ("zero_shot", "majority", "merged", "served", "served_own_rows")
    assert means(scores, *kinds) == [0.4, 0.2, 0.5, 0.45, 0.6]
    assert (scores.better_than_zero_shot, scores.worse_than_zero_shot) == (1, 1)
    found = scores.without({"other"}, CONFIG.seed)
    assert found is not None
    assert means(found, *kinds) == [0.4, 0.1, 0.5, 0.6, 0.7]
    assert (found.better_than_zero_shot, found.worse_than_zero_shot) == (1, 0)
    assert found.without({"new"}, CONFIG.seed) is None


def test_scores_come_back_from_a_file() -> None:
    score = Score.of({"b": 0.25, "a": 0.75}, 0)
    assert score is not None
    told = {"mean": 0.5, "low": 0.25, "high": 0.75, "per_client": {"a": 0.75, "b": 0.25}}
    assert typed(told, Score, "score") == score
    assert str(score) == ".500 [.250, .750]"


SMALL = [(3.21e-5, "3.2e-5"), (-4e-4, "-4.0e-4"), (1e-300, "1.0e-300"), (5e-4 - 1e-9, "5.0e-4"), (6e-4, ".001")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.6724, ".672"), (1.0, "1.000"), (0.9996, "1.000"), (-0.25, "-.250"), (0.0, ".000"), (-10.5, "-10.500"), *SMALL],
)
def test_three_places(value: float, shown: str) -> None:
    assert three_places(value) == shown
