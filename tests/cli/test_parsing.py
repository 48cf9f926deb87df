"""Names on the command line that are none, and what is asked of the command itself."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fedsift.cli import main
from tests.cli.commands import fedsift


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--learning_rate", "1"], "unknown option '--learning_rate'; --learning_rate is called --lr here"),
        (["run", "--num-train-epochs=3"], "--num-train-epochs is called --epochs here"),
        (["compare", "--num_rounds", "3"], "--num_rounds is called --rounds here"),
        (["run", "--output_dir", "x"], "--output_dir is called --out here"),
        (["plan", "--r", "8"], "--r is called --lora-rank here"),
        (["run", "--stesp", "3"], "unknown option '--stesp'; did you mean '--steps'?"),
        (["simulate"], "unknown command 'simulate'; simulate is called run here"),
        (["forgt", "runs/001"], "unknown command 'forgt'; did you mean 'forget'?"),
        (["forget", "-3"], "(an id that begins with - comes after --)"),
    ],
)
def test_a_wrong_name(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fedsift", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("fedsift: ") and said.count("\n") == 1
    assert told in said


def test_the_version() -> None:
    assert fedsift("--version").stdout == f"fedsift {version('fedsift')}\n"


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The console script, as pip writes it."""
    script = tmp_path / "bin" / "fedsift"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom fedsift.cli import main\nmain()\n", encoding="utf-8")
    script.chmod(0o755)
    return script


COMPLETE = """
eval "$(fedsift --show-completion)"
function=$(complete -p fedsift | sed 's/.*-F \\([^ ]*\\).*/\\1/')
while IFS= read -r line; do
    eval "COMP_WORDS=($line)"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    "$function" fedsift
    echo "${COMPREPLY[*]}"
done
"""
COMPLETED = {
    "fedsift verify": "verify verify-certificate verify-log",
    "fedsift run --lora": "--lora-rank",
    "fedsift run --task cl": "classification",
    "fedsift run --preset ''": "paper",
}


def test_completion_in_bash(command: Path) -> None:
    variables = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    typed, program = "\n".join([*COMPLETED, ""]), ["bash", "-c", COMPLETE]
    ended = subprocess.run(program, input=typed, env=variables, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == list(COMPLETED.values())


HEAVY = """
import atexit, sys
atexit.register(lambda: print(*sorted({"torch", "flwr", "ray", "pandas", "datasets"} & sys.modules.keys())))
sys.argv = ["fedsift"]
from fedsift.cli import main
main()
"""


def test_completion_imports_nothing_heavy() -> None:
    asked = {"_FEDSIFT_COMPLETE": "complete_bash", "COMP_WORDS": "fedsift run --st", "COMP_CWORD": "2"}
    variables = {**os.environ, **asked}
    ended = subprocess.run([sys.executable, "-c", HEAVY], env=variables, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["--steps", ""]
