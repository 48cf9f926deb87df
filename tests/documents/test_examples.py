"""Pages whose examples run in seconds, run as a reader would run them."""

import sys
from pathlib import Path

import pytest

from tests.cli.commands import done
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
