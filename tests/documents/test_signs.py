"""The texts that the page on operations tells a reader to look for are those that the code logs and prints."""

import ast
import re
from functools import cache

import pytest

from tests.documents.pages import REPOSITORY, page, text_of

VARIES = "..."
PLACEHOLDER = re.compile(r"%[sd]")


def signs() -> list[str]:
    """What stands in the first column of the table on the log; commands that are named there are no texts."""
    section = text_of(page("operations.md")).partition("## Watch the log")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("|")]
    return [code for cell in cells for code in re.findall("`(.+?)`", cell) if not code.startswith("fedsift ")]


@cache
def texts() -> list[str]:
    """All strings of the package but docstrings, with `...` for what is put into them."""
    found = []
    for room in ("fedsift", "strategies", "simulations"):
        for file in (REPOSITORY / room).rglob("*.py"):
            nodes = [*ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
            documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            for node in nodes:
                if id(node) in documents:
                    continue
                if isinstance(node, ast.JoinedStr):
                    parts = [each.value if isinstance(each, ast.Constant) else VARIES for each in node.values]
                    found.append(" ".join("".join(map(str, parts)).split()))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(" ".join(PLACEHOLDER.sub(VARIES, node.value).split()))
    return found


def is_said(sign: str) -> bool:
    """Whether a string of the package has this sign in it, with something put in at each `...`."""
    return any(sign in text for text in texts())


@pytest.mark.parametrize("sign", signs())
def test_a_sign_is_one_that_the_code_gives(sign: str) -> None:
    assert is_said(sign)


def test_other_texts_are_none() -> None:
    assert len(signs()) > 10
    for text in (
        "client ... joined from another planet",
        "no answer within seconds",
        "Whether a string of the package",
    ):
        assert not is_said(text)
