import dataclasses
import json
from pathlib import Path
from typing import Any, TypedDict

import pytest
from fedsift.studies.optout.log import StepLog

from fedsift.core.errors import BadInput
from fedsift.federation.round_log import RoundLog
from fedsift.files.json_file import misfit, read_json
from fedsift.strategies.sift_masks import SiftRecord


class Keys(TypedDict):
    a: int
    b: dict[str, float] | None


@dataclasses.dataclass
class Fields:
    a: int
    b: list[tuple[int, str]]


@pytest.mark.parametrize(
    ("value", "shape", "place"),
    [
        (1, int, ""),
        (True, int, "top"),
        (1.0, int, "top"),
        (1, float, ""),
        (float("nan"), float, ""),
        (False, float, "top"),
        ("1", float, "top"),
        (None, str, "top"),
        (None, str | None, ""),
        ([1], Any, ""),
        ([1, "2"], list[int], "top.1"),
        ({}, list[int], "top"),
        ([], dict[str, int], "top"),
        ({"x": {"y": None}}, dict[str, dict[str, int]], "top.x.y"),
        ([1, "x"], tuple[int, str], ""),
        ([1], tuple[int, str], "top"),
        ({"a": 1, "b": {"x": 1}, "more": 2}, Keys, ""),
        ({"a": 1, "b": {"x": []}}, Keys, "top.b"),
        ({"a": 1}, Keys, "top"),
        ([], Keys, "top"),
        ({"a": 1, "b": [[1, "x"], [2, "y"]]}, Fields, ""),
        ({"a": 1, "b": [[1, "x"], [2, 3]]}, Fields, "top.b.1.1"),
        ({"a": 1, "b": [], "more": 2}, Fields, "top"),
    ],
)
def test_where_a_value_differs_from_its_shape(value: Any, shape: Any, place: str) -> None:
    assert misfit(value, shape, "top") == place


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is damaged, it is no JSON"),
        (b'{"earlier_receipts": 0, "rou', "is damaged, it is no JSON"),
        (b"\xff\xfe", "is damaged, it is no JSON"),
        (b"[" * 100_000, "is damaged, it is no JSON"),
        (b"null", "is damaged, or of another version, at file"),
        (
            b'{"earlier_receipts": 0, "rounds": [{}], "failures": {}}',
            "is damaged, .*, at (rounds.rounds.0|steps): ",
        ),
        (
            b'{"earlier_receipts": "0", "rounds": [], "failures": {}}',
            "is damaged, .*, at (rounds.earl|steps)",
        ),
    ],
)
def test_a_damaged_log_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    for log, name in ((RoundLog, "rounds"), (StepLog, "steps")):
        file = tmp_path / f"{name}.json"
        file.write_bytes(content)
        with pytest.raises(BadInput, match=f"{name}.json {problem.replace('at file', f'at {name}')}"):
            log.read(file if log is RoundLog else tmp_path)


def test_logs_come_back(tmp_path: Path) -> None:
    record = SiftRecord(["ann"], scores={"ann": {"own": float("inf")}})
    log = RoundLog(tmp_path / "rounds.json", 2, [record], {"b": "c"})
    log.write()
    assert RoundLog.read(log.path) == log
    steps = StepLog(1, 2, None, reruns={"ann": (3, 4)}, first_scores={"ann": 1})
    steps.write(tmp_path)
    assert json.dumps(vars(StepLog.read(tmp_path))) == json.dumps(vars(steps))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot be read \(Is a directory\): mend it"):
        read_json(tmp_path, Any, "mend it")
