"""The examples of the pages on data, models, tasks and tuning, run as a reader would run them."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.commands import done

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r'^```(\w*)(?: title="(\S+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def examples(document: str, folder: Path) -> list[list[str]]:
    """Write the document's files, named behind the block's language or in a first comment; return its commands."""
    commands = []
    for language, file_name, content in BLOCK.findall((DOCS / "how-to" / document).read_text(encoding="utf-8")):
        named = re.match(r"# (\S+\.\w+)\n", content)
        if file_name:
            (folder / file_name).write_text(content, encoding="utf-8")
        elif named:
            (folder / named[1]).write_text(content[named.end() :], encoding="utf-8")
        elif not language:
            lines = [line for line in content.splitlines() if line.startswith("fedsift ")]
            commands += [shlex.split(line, comments=True)[1:] for line in lines]
    return commands


@pytest.mark.parametrize("document", ["own-data.md", "own-model.md", "own-task.md", "tune.md"])
def test_every_example_runs(own_code: Path, tmp_path: Path, document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_code)
    commands = examples(document, own_code)
    for file in own_code.glob("*.py"):
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
    assert commands
    for number, arguments in enumerate(commands):
        short = ["--steps", "3"] if arguments[0] == "run" and "--steps" not in arguments else []
        out = ["--out", tmp_path / f"out-{number}"] if arguments[0] == "run" else []
        printed = done(*arguments, *short, *out)
        if "--oracle" in arguments:
            assert "byte for byte the state of a run they never joined" in printed
