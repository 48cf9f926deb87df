"""The figure of a comparison, drawn from its result.json."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fedsift.core.errors import BadInput
from fedsift.core.virtual_clock import Spent
from fedsift.runs.scores import Score
from fedsift.studies.comparison.comparison import Baseline, Comparison, MethodRow
from fedsift.studies.comparison.figure import comparison_figure, is_comparison, write_comparison_figure

NOTHING = Spent()


def method(name: str, members: float | None, trainings: int) -> MethodRow:
    low, high = (None, None) if members is None else (members - 0.1, members + 0.1)
    return MethodRow(
        name=name, title=name.upper(), exact=True, members_before=members, members_low=low, members_high=high,
        better_than_alone=None, worse_than_alone=None, members_after=None, leavers_before=None, leavers_after=None,
        newcomers_before=None, newcomers_low=None, newcomers_high=None, newcomers_after=None,
        trainings_of_all_removals=0, storage_bytes=0, state_digest="", exact_in_bits=True, differing_entries=None,
        distance_left=None, trainings=[trainings, 7], steps=[20], first=NOTHING, removals=NOTHING, seconds=0,
        hyper_parameters={}, validation_scorings=0,
    )  # fmt: skip


def comparison(*methods: MethodRow, alone: Score | None) -> Comparison:
    found = Comparison(3, 1, ["ann"], "accuracy", 10, held_out=True)
    found.baselines.append(Baseline("alone", "alone", alone, None))
    found.methods += methods
    return found


ALONE = Score(0.25, 0.2, 0.3, {"ann": 0.2, "bob": 0.3})
IN_WORDS = (
    "3 members, mean accuracy on rows that nobody trained on with 95% intervals, and removals: alone: members 0.250; "
    "A: members 0.500, 1 client training for one removal; B: 1,200 client trainings for one removal."
)


def test_it_is_drawn_from_the_file_alone(tmp_path: Path) -> None:
    comparison(method("a", 0.5, 1), method("b", None, 1200), alone=ALONE).write(tmp_path)
    assert is_comparison(tmp_path)
    svg, png = write_comparison_figure(tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    words = ElementTree.parse(svg).getroot().findtext("{http://www.w3.org/2000/svg}desc")
    assert words == IN_WORDS


def test_without_a_score_there_is_nothing_to_draw() -> None:
    with pytest.raises(BadInput, match="nobody was scored"):
        comparison_figure(comparison(method("a", None, 1), alone=None))
