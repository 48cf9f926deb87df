"""`fedsift optout` on the command line: played, told in words, reported; and the scenario of the document."""

import json
import re
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.studies.optout.scenario import parse_scenario
from fedsift.studies.optout.scenario_plan import resolve
from tests.cli.commands import done, failed
from tests.documents.pages import blocks, page

SCENARIO = """
title = "Two leave"
[run]
{run}
[[leave]]
number = 2
pace = "one-by-one"
"""


@pytest.fixture
def scenario(tiny_config: RunConfig, tmp_path: Path) -> Path:
    write_toml(tiny_config, tmp_path / "run.toml")
    run = (tmp_path / "run.toml").read_text(encoding="utf-8")
    kept = [line for line in run.splitlines() if not re.match(r"(leave|leave-count|oracle) ", line)]
    file = tmp_path / "two.toml"
    file.write_text(SCENARIO.format(run="\n".join(kept)), encoding="utf-8")
    return file


def test_two_leave(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--clients", "5", "--newcomers", "1", "--full-oracles", "1", "--out", out]
    assert "2 of 5 clients left. The server is byte for byte" in done("optout", scenario, *arguments)
    assert (out / "report.html").stat().st_size > 10_000
    trainings = out / "attacks.partial"  # of attacks that were killed
    trainings.mkdir()
    (trainings / "leaver").write_bytes(b"magnitudes")
    told = json.loads(done("optout", "--resume", out, "--json"))
    assert not trainings.exists()
    assert told["verdict"] == "proven"
    assert [step["members"] for step in told["steps"]] == [5, 4, 3]
    members, leavers = told["steps"][-1]["scores"]["members"], told["steps"][-1]["scores"]["leavers"]
    assert told["steps"][-1]["scores"]["all_clients"] == pytest.approx((3 * members + 2 * leavers) / 5)


@pytest.mark.exhaustive
def test_any_method_is_attacked(scenario: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "out", ["--clients", "6", "--newcomers", "4", "--rounds", "2"]
    told = done("optout", scenario, *given, "--attacks", "--methods", "fedavg,fedprox+simnpo", "--out", out)
    assert "finds in the run that the leavers never joined, to the last digit" in told
    table = (out / "tables" / "reconstruction.csv").read_text(encoding="utf-8")
    for title, same in (("SIFT-Masks", "True"), ("FedAvg", "True"), ("FedProx + SimNPO", "False")):
        assert [line.rsplit(",", 1)[1] for line in table.splitlines() if line.startswith(f"{title},")] == [same, same]
    again = json.loads(done("optout", "--resume", out, "--attacks", "--json"))
    titles = [row["method"] for row in again["attacks"]["relearning"]]
    assert titles[3:] == ["Central FT", "task negation", "NegMerge", "MSA", "FedAvg", "FedAvg + NPO"]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ([], "give a scenario: a .toml file, or one of a-group, a-tenth"),
        (["one-cleint"], "did you mean 'one-client'"),
        (["--resume", "x", "a-tenth"], "--resume takes the scenario's own configuration"),
        (["--resume", "x", "--newcomers", "2"], "play it again: fedsift optout x/scenario.toml --out ANOTHER"),
        (["a-tenth", "--full-oracles", "-1"], "full-oracles = -1"),
        (["a-tenth", "--methods", "central-ft"], "ask for attacks, too"),
        (["a-tenth", "--attacks", "--methods", "fedavg"], "give --rounds with their number"),
        (["a-tenth", "--attacks", "--methods", "central"], "did you mean 'central-ft'"),
    ],
)
def test_mistakes(arguments: list[str], wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wrong in failed("optout", *arguments)
    assert not list(tmp_path.iterdir())


def test_the_documents_scenario() -> None:
    """Of twenty clients two leave, one by one, in steps 1 and 2; one comes back in step 4."""
    (toml,) = (block.content for block in blocks(page("opt-out.md")) if block.language == "toml")
    plan = resolve(parse_scenario(toml, "opt-out.md"), [f"person-{n:04d}" for n in range(20)], 0, lambda *_: [])
    assert [len(step.leave) for step in plan.steps] == [0, 1, 1, 0, 0]
