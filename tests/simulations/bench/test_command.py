import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fedsift.simulations.bench.codec import measure_codec
from fedsift.studies.bench.registry import BENCHMARKS
from tests.cli.commands import done, failed


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = replace(BENCHMARKS["codec"], measure=partial(measure_codec, size=1 << 10))
    monkeypatch.setitem(BENCHMARKS, "codec", codec)


def test_one_part_as_a_table_and_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert "uploads coded and added" in done("bench", "--codec", "--rounds", 2, "--out", file)
    told = json.loads(file.read_text(encoding="utf-8"))
    assert list(told["parts"]) == ["codec"]
    assert told["machine"]["cores"] >= 1
    assert {len(each["values"]) for each in told["parts"]["codec"]["measurements"]} == {2}


def test_every_file_is_a_benchmark_with_an_option() -> None:
    files = {file.stem for file in (Path(__file__).parents[3] / "simulations" / "bench").glob("[a-z]*.py")}
    assert set(BENCHMARKS) == files
    shown = done("bench", "--help")
    assert all(f"--{name}" in shown for name in files)


def test_json_alone_on_standard_output() -> None:
    assert list(json.loads(done("bench", "--codec", "--rounds", 1, "--json"))["parts"]) == ["codec"]


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    assert failed("bench", "--codec", "--lr", "-1") == (
        "fedsift: options: lr = -1.0: give a number from 1.2e-38 to 3.4e+38 (Adam's learning rate, in float32)\n"
    )
    assert failed("bench", "--codec", "--out", tmp_path / "no" / "folder.json").startswith("fedsift: out = ")
