"""Pages whose examples run in seconds, run as a reader would run them."""

import shutil
import sys
from pathlib import Path

import pytest

from fedsift.runs.run_folder import RunFolder
from tests.cli.commands import done
from tests.documents.command_line import COMMANDS
from tests.documents.pages import commands, page, write_files


@pytest.mark.parametrize("name", ["own-data.md", "own-model.md", "own-task.md", "tune.md"])
def test_every_example_runs(own_code: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_code)
    for file in write_files(page(name), own_code):
        monkeypatch.delitem(sys.modules, Path(file).stem, raising=False)
    examples = [words[1:] for words in commands(page(name), run=True) if words[0] == "fedsift"]
    assert examples
    for number, arguments in enumerate(examples):
        short = ["--steps", "3"] if arguments[0] == "run" and "--steps" not in arguments else []
        out = ["--out", tmp_path / f"out-{number}"] if arguments[0] == "run" else []
        printed = done(*arguments, *short, *out)
        if "--oracle" in arguments:
            assert "byte for byte the state of a run they never joined" in printed


MEMBERS = """
def clients():
    ids = ["person-0001", "person-0002", "person-0003", "person-0004", "person-0005", "-7", "a,b"]
    return {name: [(f"What is {n} and {place}?", f" {n + place}") for n in range(9)] for place, name in enumerate(ids)}
"""


@pytest.fixture
def run_of_pages(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The run that pages on removals speak of, with the clients that they name."""
    monkeypatch.chdir(own_code)
    shutil.rmtree("runs", ignore_errors=True)  # of other pages
    (own_code / "members.py").write_text(MEMBERS, encoding="utf-8")
    done("run", "--dataset", "members:clients", "--steps", 2, "--newcomers", 0, "--out", "runs/001")
    return "runs/001"


def test_removing_and_auditing(run_of_pages: str) -> None:
    """Both pages, one after the other, on the same run; an auditor has the key, a certificate and a newer head."""
    for words in commands(page("remove.md"), run=True):
        done(*words[1:])
    assert RunFolder(Path(run_of_pages)).members() == {"person-0001", "person-0002", "person-0005"}
    key = done("public-key", run_of_pages).strip()
    Path("client").mkdir()
    Path("client/public-key").write_text(key, encoding="utf-8")
    shutil.copy(Path(run_of_pages, "certificates/0001.json"), "certificate.json")
    done("log-head", run_of_pages, "--since", 1, "--out", "head.json")
    known = {"RUN": run_of_pages, "KEY": key, "7": "1"}  # 7: the size of the certificate's log
    audited = [[known.get(word, word) for word in words[1:]] for words in commands(page("audit.md"), run=True)]
    assert len(audited) == 7
    for words in audited:
        done(*words)


LONG = ["index.md", "first-federation.md", "method.md", "privacy.md", "compare.md", "rounds.md", "shards.md"]
FEWER = {"clients": 6, "newcomers": 2, "steps": 3, "rounds": 2}
NAMES_CLIENTS = {"first-federation.md"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", LONG)
def test_long_examples_run(name: str, own_code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(page(name), tmp_path)
    for words in [words[1:] for words in commands(page(name), run=True) if words[0] == "fedsift"]:
        taken = {each.name for each in COMMANDS[words[0]].params} - ({"clients"} if name in NAMES_CLIENTS else set())
        fewer = [part for option, number in FEWER.items() if option in taken for part in (f"--{option}", number)]
        done(*words, *fewer)
