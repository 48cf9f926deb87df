"""`--seeds`, `sweep` and `figures` over real workers."""

import csv
import dataclasses
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from tests.cli.commands import COMMAND, done, failed, kill_when, result_of
from tests.documents.pages import commands, page, write_files

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def config_file(tiny_config: RunConfig, tmp_path: Path) -> Path:
    """Six members, one of whom leaves, and two newcomers."""
    file = tmp_path / "config.toml"
    write_toml(dataclasses.replace(tiny_config, newcomers=2, leave_count=1), file)
    return file


def fits(printed: str) -> bool:
    return all(len(line.rstrip()) <= 80 for line in printed.splitlines() if not line.startswith("written"))


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO((folder / "table.csv").read_text(encoding="utf-8"))))


def test_a_run_with_seeds_has_the_means_of_runs_with_each(config_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = done("run", config_file, "--seed", 4, "--seeds", 2, "--out", out)
    assert fits(printed)
    assert "2 seeds from 4; in brackets 95% over seeds (Student's t), where they differ" in printed
    alone = [tmp_path / f"alone-{seed}" for seed in (4, 5)]
    for seed, folder in zip((4, 5), alone, strict=True):
        done("run", config_file, "--seed", seed, "--out", folder)
        assert result_of(folder)["state_digest"] == result_of(out / f"seed-{seed}")["state_digest"]
    expected = [result_of(folder)["scores"]["served"]["mean"] for folder in alone]
    served = next(row for row in rows_of(out) if row["model"] == "served")
    assert float(served["members"]) == pytest.approx(sum(expected) / 2, rel=1e-12)
    assert float(served["members_high"]) - float(served["members"]) == pytest.approx(
        12.7062047 * abs(expected[0] - expected[1]) / 2, rel=1e-6
    )
    told = json.loads(done("run", config_file, "--seed", 4, "--seeds", 2, "--out", out, "--json"))
    gains = told["points"][0]["figures"]["gain"]["members"]["per_seed"]
    for seed, folder in zip((4, 5), alone, strict=True):
        members = result_of(folder)["members"]
        assert gains[str(seed)] == members["served"]["mean"] - members["alone"]["mean"]


def test_a_comparison_with_seeds(config_file: Path, tmp_path: Path) -> None:
    arguments = ["compare", config_file, "--methods", "sift-masks,ties", "--seeds", "2", "--out", tmp_path / "out"]
    printed = done(*arguments)
    assert fits(printed)
    rows = {row["method"]: row for row in rows_of(tmp_path / "out")}
    assert {"zero_shot", "alone", "sift-masks", "ties"} <= {*rows}
    assert rows["ties"]["seeds"] == "2"
    assert [rows[name]["first_removal"] for name in ("sift-masks", "ties")] == ["1.0", "1.0"]
    singles = [result_of(tmp_path / "out" / f"seed-{seed}")["methods"] for seed in (0, 1)]
    before = [next(row["members_before"] for row in rows if row["name"] == "ties") for rows in singles]
    assert float(rows["ties"]["members"]) == pytest.approx(sum(before) / 2, rel=1e-12)
    assert done(*arguments) == printed  # Nothing is played again: seconds would differ.


def test_a_scenario_with_seeds(tiny_config: RunConfig, tmp_path: Path) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text('title = "One leaves"\n[[leave]]\nnumber = 1\n', encoding="utf-8")
    given = [f"--{key}={value}" for key, value in tiny_config.to_mapping().items() if key in GIVEN]
    printed = done("optout", scenario, *given, "--newcomers", 2, "--seeds", 2, "--out", tmp_path / "out")
    assert fits(printed)
    rows = {row["when, or method"]: row for row in rows_of(tmp_path / "out")}
    assert rows["at the end"]["leavers"] and not rows["after the merge"]["leavers"]
    assert rows["SIFT-Masks"]["trainings"] == "1.0"
    assert (tmp_path / "out" / "seed-1" / "report.html").is_file()


GIVEN = ("dataset", "client-column", "prompt", "target", "model", "steps", "workers")


def test_seeds_go_with_no_resume(tmp_path: Path) -> None:
    assert "--resume takes the run's own configuration" in failed("run", "--resume", tmp_path, "--seeds", 2)
    assert "--resume takes the scenario's own" in failed("optout", "--resume", tmp_path, "--seeds", 2)


def test_a_mistake_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "unknown" in failed("run", "--dataset", "peopel", "--seeds", 2, "--out", out)
    assert not out.exists()


def test_the_documents_examples(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer clients, steps and seeds."""
    monkeypatch.chdir(own_code)
    sweeps = page("sweeps.md")
    write_files(sweeps, own_code)
    examples = [words[1:] for words in commands(sweeps, run=True)]
    assert [words[0] for words in examples] == ["run", "sweep", "figures"]
    file = own_code / "sweep.toml"
    text = file.read_text(encoding="utf-8")
    for long, short in (
        ("clients = 20", "clients = 4\nnewcomers = 2"),
        ("seeds = 3", "seeds = 1"),
        ("0.003, ", ""),
        (", 0.03", ""),
    ):
        assert long in text
        text = text.replace(long, short)
    file.write_text(text, encoding="utf-8")
    fewer: Sequence[Sequence[Any]] = [["--clients", 4, "--steps", 3, "--seeds", 2], [], []]
    printed = [done(*words, *more) for words, more in zip(examples, fewer, strict=True)]
    assert fits(printed[1])
    assert "best     lr = 0.01, steps = " in printed[1]
    assert len(list((own_code / "swept").glob("lr=0.01,steps=*/seed-0/result.json"))) == 2
    assert len(printed[2].splitlines()) == 4


@pytest.mark.exhaustive
def test_a_killed_sweep_goes_on(config_file: Path, tmp_path: Path) -> None:
    """Killed in its second seed; what the first came to is read, and the second goes on where it was."""
    out, arguments = tmp_path / "out", ["run", str(config_file), "--steps", "100", "--workers", "1", "--seeds", "2"]
    under_way = out / "seed-1.partial" / "masks"
    kill_when(
        lambda: under_way.is_dir() and len(list(under_way.glob("*.mask"))) >= 3,
        [*COMMAND, *arguments, "--out", str(out)],
        seconds=300,
    )
    first = (out / "seed-0" / "result.json").stat().st_mtime_ns
    assert not (out / "result.json").exists()
    done(*arguments, "--out", out)
    assert (out / "seed-0" / "result.json").stat().st_mtime_ns == first
    done(*arguments, "--out", tmp_path / "undisturbed")
    assert (out / "table.csv").read_text("utf-8") == (tmp_path / "undisturbed" / "table.csv").read_text("utf-8")
