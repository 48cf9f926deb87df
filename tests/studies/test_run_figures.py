"""The figures of a run: what they say in words, and that they show nobody who left."""

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.examples import Example
from fedsift.studies.run_figures import _label
from tests.cli.commands import done, failed, result_of

SVG = "{http://www.w3.org/2000/svg}"
FILES = ["gain.png", "gain.svg", "partition.png", "partition.svg"]


def words(file: Path) -> str:
    return ElementTree.parse(file).getroot().findtext(f"{SVG}desc") or ""


@pytest.fixture
def run(tiny_config: RunConfig, tmp_path: Path) -> Path:
    """Six members and two newcomers of four rows each, of which three are tuned on."""
    table = tmp_path / "rows.jsonl"
    rows = [
        {"who": f"client {n}", "question": f"q{row}?", "answer": ("yes", "no")[row % 2] if n else "rare"}
        for n in range(8)
        for row in range(4)
    ]
    table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    write_toml(dataclasses.replace(tiny_config, dataset=str(table), clients=6, newcomers=2), tmp_path / "config.toml")
    done("run", tmp_path / "config.toml", "--out", tmp_path / "run")
    return tmp_path / "run"


def test_figures_say_what_they_show_and_go_when_a_client_leaves(run: Path) -> None:
    printed = done("figures", run)
    assert sorted(file.name for file in (run / "figures").iterdir()) == FILES
    assert printed.splitlines() == [f"written  {run / 'figures' / name}.{kind}" for name in NAMES for kind in KINDS]
    result = result_of(run)["members"]
    gain = words(run / "figures" / "gain.svg")
    assert f": {result['better_than_alone']} gain, {result['worse_than_alone']} lose; mean alone" in gain
    assert f"mean alone {result['alone']['mean']:.3f}, served {result['served']['mean']:.3f}" in gain
    before = words(run / "figures" / "partition.svg")
    assert before.startswith("6 members, then 2 newcomers: 3 to 3 rows to tune on a client. Rows by label: no ")
    assert ", rare 3, yes " in before
    assert before.endswith(" 1 client has but one label.")

    done("forget", run, "client 0")
    assert not (run / "figures").exists()
    done("figures", run)
    after = words(run / "figures" / "partition.svg")
    assert after.startswith("5 members, then 2 newcomers")
    assert "rare" not in after
    assert not [file for file in (run / "figures").iterdir() if b"client 0" in file.read_bytes()]
    assert words(run / "figures" / "gain.svg").count("5 members") == 1


NAMES, KINDS = ("gain", "partition"), ("svg", "png")


def test_what_is_no_finished_run_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "result.json").unlink()
    assert "is not over: fedsift run --resume" in failed("figures", run)
    assert "is no run folder" in failed("figures", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (Example("q", " yes "), "yes"),
        ([{"role": "user", "content": "q"}, {"role": "assistant", "content": "no"}], "no"),
        ({"pixels": [1, 2]}, None),
    ],
)
def test_labels_are_targets_of_texts(row: object, label: str | None) -> None:
    assert _label(row) == label
