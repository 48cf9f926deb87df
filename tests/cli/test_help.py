"""What every command says of itself."""

import pytest

from fedsift.cli import app
from tests.cli.commands import done

COMMANDS = [command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_and_option_is_explained(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    rows = [line for line in done(command, "--help").splitlines() if line.startswith("│")]
    assert rows
    for row in rows:
        words = row.strip("│ *").split()
        assert len(words) > 3, row  # a name, its type, and an explanation
        assert len([word for word in words if word.islower()]) >= 2, row
