"""The warning where members are served worse than they tuned, and what it advises."""

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.runs.result import _advice
from fedsift.runs.scores import Score, ServedBelowLocal


def test_members_are_counted_by_hand() -> None:
    """`b` loses more than .01; `a` less, `c` nothing; `d` was not served."""
    local = Score.of({"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.5}, 0)
    sift_masks = Score.of({"a": 0.495, "b": 0.485, "c": 0.6}, 0)
    assert local and sift_masks
    scores = {"local": local, "sift_masks": sift_masks}
    assert ServedBelowLocal.of_scores(scores, "this") == ServedBelowLocal(1, 3, "this")
    assert ServedBelowLocal.of_scores({}, "this") == ServedBelowLocal(0, 0, "")


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        (RunConfig(levels=2, steps=20), "--levels 32"),  # as many as the steps need
        (RunConfig(steps=20), "--levels 64"),
        (RunConfig(levels=2**32 - 1), "--levels 4294967295"),
        (RunConfig(max_magnitude=0.01), "leaving max-magnitude out"),
        (RunConfig(threshold=0.5), "leaving threshold out"),
        (RunConfig(localise="coordinate", levels=2), "--localise own"),
    ],
)
def test_what_is_advised(config: RunConfig, advice: str) -> None:
    assert _advice(config) == advice
