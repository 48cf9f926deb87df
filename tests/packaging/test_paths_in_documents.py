"""Files that documents name, and pages that they link to, are there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FOLDERS = (REPOSITORY / "docs", REPOSITORY / "examples")
PAGES = [REPOSITORY / "README.md", *sorted(page for folder in FOLDERS for page in folder.rglob("*.md"))]
PATH = re.compile(r"(?<![\w/.-])((?:fedsift|strategies|simulations|tests|docs|examples)/[\w./-]*\w/?)(?![\w*])")
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    written = set(re.findall(r"^```python (\S+)$", text, re.MULTILINE))  # by the reader
    missing = [path for path in PATH.findall(text) if path not in written and not (REPOSITORY / path).exists()]
    missing += [link for link, _ in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []
