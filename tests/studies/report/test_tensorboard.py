"""Events, read back as TensorBoard reads them."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fedsift.studies.report.tensorboard import write_events
from tests.studies.report.results import three_of_a_hundred


def test_the_steps_are_told(tmp_path: Path) -> None:
    told = three_of_a_hundred()
    (tmp_path / "result.json").write_text(json.dumps(told), encoding="utf-8")
    write_events(tmp_path)
    read = EventAccumulator(str(write_events(tmp_path)))
    read.Reload()
    members = read.Scalars("members")
    assert [(each.step, each.value) for each in members] == [(step["step"], step["members"]) for step in told["steps"]]
    scores = [step["scores"]["members"] for step in told["steps"] if step["scores"]]
    assert [each.value for each in read.Scalars("score/members")] == pytest.approx(scores)
