"""The site's renderer makes of a page what a repository's does: the same headings, lists, tables, links and code."""

import re
from collections import Counter
from pathlib import Path

import markdown
import pytest
import yaml
from markdown_it import MarkdownIt

from tests.documents.pages import DOCUMENTS, REPOSITORY

TAG = re.compile(r"<(h[1-6]|ul|ol|li|table|tr|th|td|pre|a|strong|em)[ >]")
SITE = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))
EXTENSIONS = [name for each in SITE["markdown_extensions"] for name in (each if isinstance(each, dict) else [each])]
EXTENSIONS.remove("toc")  # whose links to headings a repository does not have
CODE = re.compile(r"<pre.*?</pre>", re.DOTALL)


def elements(html: str) -> Counter[str]:
    return Counter(TAG.findall(CODE.sub("<pre >", html)))


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_both_show_the_same(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    site = markdown.markdown(text, extensions=EXTENSIONS)
    assert elements(site) == elements(MarkdownIt("commonmark").enable("table").render(text))
