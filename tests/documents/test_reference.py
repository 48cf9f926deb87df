"""The reference pages that are written from the code have all that the code has."""

import re

import fedsift
from fedsift.cli.documents import commands_page
from tests.documents.command_line import COMMANDS
from tests.documents.pages import page


def test_commands_are_up_to_date() -> None:
    text = page("commands.md").read_text(encoding="utf-8")
    assert text == commands_page(), "run python -m fedsift.cli.documents"
    assert re.findall(r"^### fedsift (.+)$", text, re.MULTILINE) == list(COMMANDS)


def test_every_public_name_has_its_place_in_the_api() -> None:
    shown = re.findall(r"^::: fedsift\.(\w+)$", page("api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(fedsift.__all__)
