"""The pages of the documents as a reader has them: found by name, with the code, commands and files in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
EXAMPLES = REPOSITORY / "examples"
README = REPOSITORY / "README.md"
DOCUMENTS = sorted(DOCS.rglob("*.md"))  # the site
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))
PAGES = [*DOCUMENTS, *sorted(REPOSITORY.glob("*.md")), *sorted(EXAMPLES.rglob("*.md"))]

RUN, PARSED = "", "sh"  # languages of lists of commands; where a page is run, only those of the first kind are
_INFO = re.compile(r'(\S*)(?: title="(.+)")?')
_COMMENT = re.compile(r"# (\S+\.\w+)\n")
_OPERATORS = re.compile(r"[();|&]+")
_REDIRECTIONS = re.compile(r"[<>&|]*[<>][<>&|]*")
_SETTING = re.compile(r"\w+=.*")


@dataclass(frozen=True)
class Block:
    """A block of code."""

    language: str
    file: str  # under which name a reader keeps it: the block's title, or a first comment; empty for no file
    content: str
    line: int  # of the page, where it begins


def page(name: str) -> Path:
    """The page of the site that has this file name, in whatever room."""
    (found,) = [each for each in (*DOCUMENTS, *NOTEBOOKS) if each.name == name]
    return found


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """All blocks of code of a page, those within lists too; of a notebook its cells of code as well."""
    found = []
    for token in _tokens(page):
        if token.type == "fence" and token.map is not None:
            match = _INFO.fullmatch(token.info.strip())
            assert match, f"{page.name}, line {token.map[0] + 1}: a block's file is named by title: {token.info}"
            comment = _COMMENT.match(token.content) if match[1] == "python" else None
            file = match[2] or (comment[1] if comment else "")
            found.append(Block(match[1], file, token.content, token.map[0] + 1))
    if page.suffix == ".ipynb":
        found += [Block("python", "", each.source, place) for place, each in enumerate(_cells(page, "code"), start=1)]
    return tuple(found)


def inline_code(page: Path) -> list[str]:
    """What stands between backticks in running text and tables, on one line each."""
    inline = [child for token in _tokens(page) for child in token.children or ()]
    return [" ".join(each.content.split()) for each in inline if each.type == "code_inline"]


def text_of(page: Path) -> str:
    """The page's text, of a notebook that of its cells."""
    if page.suffix == ".ipynb":
        return "\n\n".join(each.source for each in _cells(page, "markdown"))
    return page.read_text(encoding="utf-8")


def commands(page: Path, run: bool = False) -> list[list[str]]:
    """All commands in blocks of commands, and those that cells of a notebook begin with `!`, each as its words.

    With `run`, only those that a reader can run as they stand.
    """
    listed = [block.content for block in blocks(page) if block.language in ((RUN,) if run else (RUN, PARSED))]
    if page.suffix == ".ipynb":
        cells = "\n".join(each.source for each in _cells(page, "code"))
        listed += re.findall(r"^!(.*)$", cells, re.MULTILINE)
    return [command for text in listed for command in commands_in(text)]


def commands_in(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell's text, without redirections and variables that are set for one.

    Lines that are no shell's, such as what a command prints, are left out.
    """
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # a quote that is not closed
            continue
        places = [place for place, word in enumerate(words) if _REDIRECTIONS.fullmatch(word)]
        words = [word for place, word in enumerate(words) if not {place, place - 1} & {*places}]
        ends = [-1, *(place for place, word in enumerate(words) if _OPERATORS.fullmatch(word)), len(words)]
        for start, end in pairwise(ends):
            command = words[start + 1 : end]
            while command and _SETTING.fullmatch(command[0]):
                del command[0]
            if command:
                yield command


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the files that a page has its reader keep, below a folder; return their names."""
    files = {block.file: block.content for block in blocks(page) if block.file}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return list(files)


def run_python(page: Path) -> None:
    """Run all blocks of Python that are no files, one after the other, as one program."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python" and not block.file:
            exec(compile(block.content, f"{page.name}, line {block.line}", "exec"), names)


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text_of(page))


def _cells(page: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(page, as_version=4).cells if cell.cell_type == kind]
