"""The check that the pages' commands pass does find what is wrong with one."""

import shlex

import pytest

from tests.documents.command_line import fault_of
from tests.documents.pages import commands_in


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("run --clients 3 --leave-count 1 --oracle --no-shared-head", ""),
        ("rnu --clients 3", "unknown command 'rnu'; did you mean 'run'?"),
        ("run --client 3", "unknown option '--client'; did you mean '--clients'?"),
        ("run --clients three", "Invalid value for '--clients': 'three' is not a valid integer."),
        ("run --clients -1", "clients = -1: give a whole number from 0 on"),
        ("run --dtype half", "unknown dtype 'half'; half is called bfloat16 here"),
        ("run --preset papre", "unknown preset 'papre'; did you mean 'paper'?"),
        ("run config.toml other.toml", "Got unexpected extra argument (other.toml)"),
        ("forget runs/001", "Missing argument 'CLIENTS...'."),
        ("forget runs/001 -- -7", ""),
        ("compare --methods ties,fedavg+npo,my:Method,here", ""),
        ("compare --methods tie", "unknown method 'tie'; did you mean 'ties'?"),
        ("compare --rounds 0 --sample 2", "sample = 2.0: give a number"),
        ("plan --density 2", "density = 2.0: give a number from 0 to 1"),
        ("optout one-clients", "unknown scenario 'one-clients'; did you mean 'one-client'?"),
        ("reproduce fig1", "unknown experiment 'fig1'; did you mean"),
        ("run --help", ""),
    ],
)
def test_faults(line: str, fault: str) -> None:
    found = fault_of(shlex.split(line), known={"here"})
    assert found.startswith(fault) and bool(found) == bool(fault), found


def test_arguments_may_be_missing_where_only_the_name_is_meant() -> None:
    for words in (["forget"], ["run", "--resume"]):
        assert fault_of(words, whole=False) == ""
        assert fault_of(words) != ""


def test_the_commands_of_a_shells_text() -> None:
    text = """
$ A=1 B='x y' fedsift run --prompt "Q: {q}\\nA:" \\
      --steps 3   # a comment; no command
mkdir a && cp b/c.toml a/ | fedsift verify a > out.txt
it's what a command prints
"""
    assert list(commands_in(text)) == [
        ["fedsift", "run", "--prompt", "Q: {q}\\nA:", "--steps", "3"],
        ["mkdir", "a"],
        ["cp", "b/c.toml", "a/"],
        ["fedsift", "verify", "a"],
    ]
