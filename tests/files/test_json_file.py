import dataclasses
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from fedsift.core.errors import BadInput
from fedsift.core.receipt import RunFacts
from fedsift.core.server_state import ServerState
from fedsift.federation.round_log import RoundLog
from fedsift.files.json_file import read_json, write_json
from fedsift.protocol.serving_rounds import SiftRecord
from fedsift.studies.optout.step_log import StepLog
from tests.core.uploads import terms


class Colour(StrEnum):
    RED = "red"


@dataclasses.dataclass
class Inner:
    a: int
    b: list[tuple[int, str]] = dataclasses.field(default_factory=list)


def kind_of(kind: Any) -> Any:
    """A dataclass with one field of a kind."""
    return dataclasses.make_dataclass("Held", [("value", kind)])


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1", int, 1),
        ("1", float, 1),
        ("null", str | None, None),
        ('"red"', Colour, Colour.RED),
        ('"red"', Colour | None, Colour.RED),
        ('[1, {"x": null}]', Any, [1, {"x": None}]),
        ('[[1, "x"]]', list[tuple[int, str]], [(1, "x")]),
        ('{"x": {"a": 1, "b": [[2, "y"]]}}', dict[str, Inner], {"x": Inner(1, [(2, "y")])}),
        ('{"a": 1, "b": []}', Inner | None, Inner(1)),
    ],
)
def test_what_was_written_comes_back(tmp_path: Path, text: str, kind: Any, value: Any) -> None:
    file = tmp_path / "top.json"
    file.write_text(f'{{"value": {text}}}', encoding="utf-8")
    held = kind_of(kind)
    read = read_json(file, held, "mend it")
    assert read == held(value)
    assert type(read.value) is type(value)
    write_json(file, read)
    assert read_json(file, held, "mend it") == read


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        *((text, int, "") for text in ("true", "1.0")),
        *((text, float, "") for text in ("false", '"1"')),
        *((text, Colour, "") for text in ('"green"', "[]")),
        ("null", str, ""),
        ('[1, "2"]', list[int], ".1"),
        ("{}", list[int], ""),
        ("[]", dict[str, int], ""),
        ('{"x": {"y": null}}', dict[str, dict[str, int]], ".x.y"),
        ("[1]", tuple[int, str], ""),
        *(('{"a": 1, "b": [[1, "x"], [2, 3]]}', kind, ".b.1.1") for kind in (Inner, Inner | None)),
        *((text, Inner, "") for text in ('{"a": 1, "b": [], "more": 2}', '{"a": 1}', "[]")),
    ],
)
def test_where_a_value_is_of_another_kind(tmp_path: Path, text: str, kind: Any, place: str) -> None:
    file = tmp_path / "top.json"
    file.write_text(f'{{"value": {text}}}', encoding="utf-8")
    with pytest.raises(BadInput, match=f"is damaged, or of another version, at top.value{re.escape(place)}: mend it"):
        read_json(file, kind_of(kind), "mend it")


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
            "is damaged, .*, at (rounds.rounds.0: |steps .it lacks by_influence, it has earlier_receipts.: )",
        ),
        (b'{"earlier_receipts": "0", "rounds": [], "failures": {}}', "is damaged, .*, at (rounds.earl|steps)"),
    ],
)
def test_a_damaged_log_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    for log, name in ((RoundLog, "rounds"), (StepLog, "steps")):
        file = tmp_path / f"{name}.json"
        file.write_bytes(content)
        with pytest.raises(BadInput, match=f"{name}.json {problem.replace('at file', f'at {name}')}"):
            log.read(file)


def test_logs_come_back(tmp_path: Path) -> None:
    state = ServerState.create(None, terms(2), 2)
    receipt = state.refuse("ann", "no", RunFacts(profile="fast", root_seed=0, software="s")).body
    record = SiftRecord(["ann"], scores={"ann": {"own": float("inf")}}, receipts=[receipt])
    log = RoundLog(tmp_path / "rounds.json", 2, [record], {"b": "c"})
    log.write()
    assert RoundLog.read(log.path) == log
    steps = StepLog(1, 2, reruns={"ann": (3, 4)}, first_scores={"ann": 1})
    steps.write(tmp_path / "steps.json")
    assert StepLog.read(tmp_path / "steps.json") == steps


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot be read \(Is a directory\): mend it"):
        read_json(tmp_path, Any, "mend it")
