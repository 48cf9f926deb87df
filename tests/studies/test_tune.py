"""Settings are chosen on clients that never join, by a search that can be followed by hand."""

import dataclasses
from pathlib import Path

import pytest

from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig, read_toml
from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.tune import _climbed, tune


@pytest.mark.parametrize(("start", "expected"), [(0, 4), (4, 4), (5, 4), (9, 8)])
def test_a_climb_ends_where_no_neighbour_is_better(start: int, expected: int) -> None:
    heights = [0, 1, 2, 3, 9, 3, 2, 4, 5, 1]
    asked = []

    def height(place: int) -> float:
        asked.append(place)
        return heights[place]

    assert _climbed(start, lambda place, up: min(max(place + up, 0), 9), height) == expected
    assert start != 9 or min(asked) == 7  # One way only: from 9 it sees 8 and 7.


def test_newcomers_choose_and_members_do_not(tiny_config: RunConfig, tmp_path: Path) -> None:
    """The choice is that of the best trial, and a config.toml that says why."""
    config = dataclasses.replace(tiny_config, clients=3, newcomers=2, steps=5, lr=0.03, workers=1)
    chosen = tune(config, PhaseBars())
    participants = Participants.of(config, load_dataset(config))
    assert chosen.pilots and set(chosen.pilots) <= set(participants.newcomers)
    best = max(each.own for each in chosen.trials if each.own is not None)
    assert chosen.best.own == best and (chosen.trials[0].lr, chosen.trials[0].steps) == (0.03, 5)
    assert len({(each.lr, each.steps) for each in chosen.trials}) == len(chosen.trials) >= 4
    chosen.write(tmp_path / "tuned.toml")
    assert RunConfig.from_mapping(read_toml(tmp_path / "tuned.toml")) == chosen.config
    comments = [line for line in (tmp_path / "tuned.toml").read_text().splitlines() if line.startswith("#")]
    assert comments == [f"# {line}" for line in chosen.why] and f"lr = {chosen.config.lr:g}" in comments[0]


def test_without_newcomers_there_is_nobody_to_choose_on(tiny_config: RunConfig) -> None:
    with pytest.raises(BadInput, match="nobody is left to choose on"):
        tune(dataclasses.replace(tiny_config, newcomers=0), PhaseBars())
