"""What people are shown of scores, of a small run of generated people."""

import dataclasses
import json
import math
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsift.cli.run_summary import run_summary
from fedsift.cli.table_layout import lay_out
from fedsift.configuration.run_config import RunConfig
from fedsift.runs import run as simulation
from fedsift.runs.forget import forget
from fedsift.runs.result import RunResult
from fedsift.runs.scores import Score
from fedsift.runtime.progress import PhaseBars

CONFIG = RunConfig(clients=8, newcomers=2, leave_count=2, steps=3, workers=2)
SCORES = ("zero_shot", "alone", "served", "merged")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scores") / "run"


@pytest.fixture(scope="module")
def result(out: Path) -> RunResult:
    return simulation.run(CONFIG, out, PhaseBars())


def shown(result: RunResult, width: int = 80) -> list[str]:
    console = Console(width=width, file=StringIO(), record=True)
    for each in run_summary(result, Path("out")):
        if isinstance(each, Table):
            assert lay_out(each, console) <= width
        console.print(each, soft_wrap=isinstance(each, Text))
    return console.export_text().splitlines()


def test_result_json_has_members_and_newcomers(result: RunResult, out: Path) -> None:
    told = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert told == dataclasses.asdict(result)
    assert told["held_out"] is True
    for block, clients in (("members", 8), ("members_after_removal", 6)):
        for kind in SCORES:
            score = told[block][kind]
            assert score["low"] <= score["mean"] <= score["high"]
            assert len(score["per_client"]) == clients
        assert told[block]["held_in"].keys() == {"local", "served"}
        assert len(told[block]["held_in"]["served"]["per_client"]) == clients
        assert told[block]["majority"] is None  # An answer has many tokens.
        assert told[block]["blend"]
    for block in ("newcomers", "newcomers_after_removal"):
        for kind in ("zero_shot", "served", "served_own_rows", "merged"):
            assert len(told[block][kind]["per_client"]) == 2
        assert told[block]["zero_shot"] == told["newcomers"]["zero_shot"]
    leavers = {removal["client"] for removal in told["removals"]}
    assert told["members_after_removal"]["served"]["per_client"].keys().isdisjoint(leavers)
    assert leavers < told["scores_after_removal"]["served"]["per_client"].keys()


def test_the_table_fits_a_terminal(result: RunResult) -> None:
    lines = shown(result)
    table = lines[: next(place for place, line in enumerate(lines) if line.startswith("gain"))]
    assert lines[:2] == [
        "mean answer probability on rows that nobody trained on (held-out)".ljust(len(lines[0])),
        "8 members, 2 newcomers; in brackets 95% over clients".ljust(len(lines[1])),
    ]
    assert all(len(line) <= 80 for line in table)
    members, newcomers = result.members, result.newcomers
    assert members and newcomers and members.alone_by
    row = {re.split(r"\s{2,}", line)[0]: line for line in table}
    assert str(members.served) in row["served"] and str(newcomers.served) in row["served"]
    assert str(members.zero_shot) in row["zero-shot"] and str(newcomers.zero_shot) in row["zero-shot"]
    assert str(newcomers.served_own_rows) in row["served, own rows"]
    (alone,) = (line for title, line in row.items() if title.startswith("alone: "))
    assert str(members.alone) in alone


def better_and_worse(result: RunResult, served: float) -> RunResult:
    """The result if all members were served so."""
    found = result.members_after_removal
    assert found and found.served and found.alone
    clients = sorted(found.served.per_client)
    alone, score = Score.of(dict.fromkeys(clients, 0.5), 0), Score.of(dict.fromkeys(clients, served), 0)
    counts = {"better_than_alone": 6 * (served > 0.5), "worse_than_alone": 6 * (served < 0.5)}
    members = dataclasses.replace(found, alone=alone, alone_by="local", served=score, **counts)
    return dataclasses.replace(result, members_after_removal=members)


def test_the_last_line_says_where_members_lose(result: RunResult) -> None:
    newcomers = result.newcomers_after_removal
    assert newcomers
    *_, last, advice = shown(better_and_worse(result, 0.47))
    assert last == (
        "warning: members are worse off than alone by .030 in the mean: served .470, local .500; worse off are 6 of 6 "
        f"members, and {newcomers.worse_than_zero_shot} of 2 newcomers than zero-shot"
    )
    head = "--no-shared-head, " if "shared_head" in result.scores else ""
    assert advice == f"try      {head}fewer or more --steps, or more rows a client"
    for served in (0.5, 0.53):
        assert shown(better_and_worse(result, served))[-1] == "written  out"


def test_likelihood_and_perplexity_beside_answer_probability(result: RunResult) -> None:
    """Each client's answer probability is the mean of exp(-nll) over rows, so never above 1 and near what nll says."""
    text, newcomers = result.text, result.text_of_newcomers
    assert text and newcomers and not text.rouge_l
    assert text.nll.keys() == text.perplexity.keys() >= {"zero_shot", "local", "merged", "sift_masks", "served"}
    assert newcomers.nll.keys() == {"zero_shot", "served", "served_own_rows", "merged"}
    for kind, score in text.nll.items():
        assert score.per_client.keys() == result.scores[kind].per_client.keys()
        assert text.perplexity[kind] == pytest.approx(math.exp(score.mean))
    assert text.nll["local"].mean < text.nll["zero_shot"].mean
    lines = [line for line in shown(result) if line[:8].strip() in ("nll", "perplex.")]
    assert lines[0].startswith(f"nll      members, a token: zero-shot {text.nll['zero_shot'].mean:.4g}, local ")
    assert [line.split(":")[0] for line in lines] == [
        "nll      members, a token",
        "perplex. members",
        "nll      newcomers, a token",
        "perplex. newcomers",
    ]
    assert all(len(line) <= 80 for line in lines)


def test_small_probabilities_are_told(result: RunResult) -> None:
    served = Score(3.2e-5, 1.1e-5, 5.4e-5, {})
    assert str(served) == "3.2e-5 [1.1e-5, 5.4e-5]"
    small = dataclasses.replace(result, scores={**dict.fromkeys(result.scores, served)})
    lines = shown(small)
    table = lines[: next(place for place, line in enumerate(lines) if line.startswith("gain"))]
    assert all(len(line) <= 80 for line in table)
    assert sum("3.2e-5" in line for line in table) == len(result.scores)


def test_held_in_rows_are_said_to_be(result: RunResult) -> None:
    told = dataclasses.replace(result, held_out=False)
    assert shown(told)[0].strip() == "mean answer probability on the rows trained on (held-in)"


def test_after_a_removal_no_score_tells_of_who_left(result: RunResult, out: Path) -> None:
    assert result.members_after_removal and result.members_after_removal.served
    leaver, *_, stayer = sorted(result.members_after_removal.served.per_client)
    forget(out, [leaver], False, PhaseBars(), print)
    told = (out / "result.json").read_text(encoding="utf-8")
    assert leaver not in told
    assert stayer in told
    members = json.loads(told)["members_after_removal"]
    for kind in SCORES:
        assert len(members[kind]["per_client"]) == 5
        assert members[kind]["low"] <= members[kind]["mean"] <= members[kind]["high"]
