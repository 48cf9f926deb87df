"""What every command says of itself."""

import shlex
from collections.abc import Iterator

import click
import pytest
import typer

from fedsift.cli import app
from fedsift.cli.examples import EXAMPLES
from fedsift.configuration.run_config import RunConfig
from fedsift.core.options import hyphened
from fedsift.studies.reproduction.registry import EXPERIMENTS
from fedsift.studies.reproduction.reproduce import configuration
from tests.cli.commands import done

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, click.Group)
COMMANDS = GROUP.commands


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_and_option_is_explained(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    rows = [line for line in done(command, "--help").splitlines() if line.startswith("│")]
    assert rows
    for row in rows:
        words = row.strip("│ *").split()
        assert len(words) > 3, row  # a name, its type, and an explanation
        assert len([word for word in words if word.islower()]) >= 2, row


@pytest.mark.parametrize("command", COMMANDS)
def test_in_80_columns_no_word_is_cut(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = done(command, "--help").splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]


def test_the_list_of_commands_has_a_line_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, *panels = done("--help").split("╭─ ")[1:]
    assert [panel.split(" ─")[0] for panel in panels] == [
        "Run a federation",
        "Remove clients, and prove it",
        "Evaluate",
        "Operate a server",
    ]
    rows = [line.split()[1] for panel in panels for line in panel.splitlines() if line.startswith("│")]
    assert rows == list(COMMANDS)


def test_every_command_has_examples() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()


def _examples() -> Iterator[str]:
    for command, lines in EXAMPLES.items():
        for line in lines:
            assert line.startswith(f"fedsift {command}")
            yield line


@pytest.mark.parametrize("line", list(_examples()))
def test_an_example_has_options_and_arguments_of_its_command(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = COMMANDS[name]
    with click.Context(command, info_name=name) as context:
        values, left, _ = command.make_parser(context).parse_args(arguments)
        assert not left
        for param in command.params:
            assert not param.required or values.get(str(param.name)), param.name


def test_reproduce_shows_the_defaults_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = {
        line.split()[1]: line.rpartition("Default: ")[2].strip("│ ").removesuffix(".")
        for line in done("reproduce", "--help").splitlines()
        if "Default: " in line
    }
    assert shown.pop("--clients") == "what the experiment says"
    for name in EXPERIMENTS:
        config = configuration(name, {})
        for field in RunConfig.options():
            if (said := shown.get(f"--{hyphened(field)}")) is not None:
                has = getattr(config, field)
                assert said == ("on" if has is True else f"{has:g}" if isinstance(has, float) else str(has)), field
