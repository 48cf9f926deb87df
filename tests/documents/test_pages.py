"""What every page says can be meant: commands and options exist, code compiles, files are there; nothing is run."""

import ast
import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

import fedsift
from fedsift.configuration.run_config import RunConfig
from fedsift.studies.optout.scenario import parse_scenario
from fedsift.studies.sweep.sweep_file import read_sweep
from tests.documents.command_line import OPTIONS, fault_of
from tests.documents.pages import (
    DOCUMENTS,
    NOTEBOOKS,
    PAGES,
    PARSED,
    README,
    REPOSITORY,
    RUN,
    Block,
    blocks,
    commands,
    inline_code,
    text_of,
)

MOST_WORDS = 1500  # of a page that is read and not looked up
NOT_READ_HERE = {"text", "csv"}
PATH = re.compile(r"(?<![\w/.-])((?:fedsift|strategies|simulations|tests|docs|examples)/[\w./-]*\w/?)(?![\w*])")
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
PLACEHOLDER = re.compile(r"[A-Z]+")

PROGRAMS = {
    *("fedsift", "flwr", "flower-superlink", "flower-supernode", "ray", "python3", "pip", "make", "docker"),
    *("cp", "export", "install", "mkdir", "pipx", "sqlite3", "source"),
}


def name_of(page: Path) -> str:
    """As tests are called."""
    return str(page.relative_to(REPOSITORY))


every_page = pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=name_of)


def names_defined(page: Path) -> set[str]:
    """What the code of a page calls something, so that its commands may name it."""
    return {name for block in blocks(page) for name in re.findall(r'"([\w-]+)"', block.content) if block.file}


@every_page
def test_commands(page: Path) -> None:
    for words in commands(page):
        if words[0] == "fedsift":
            assert fault_of(words[1:], names_defined(page)) == "", " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lists_of_commands_hold_nothing_else(page: Path) -> None:
    """So no command is overlooked because its program is misspelt; what programs print is marked as text."""
    programs = {words[0].removesuffix(".13") for words in commands(page)}
    assert {each for each in programs if "/" not in each} <= PROGRAMS


@every_page
def test_commands_and_options_within_the_text(page: Path) -> None:
    """Options of other programs are known from a command of theirs, on any page."""
    others = {word for each in PAGES for words in commands(each) if words[0] != "fedsift" for word in words}
    for code in inline_code(page):
        words = ["1" if PLACEHOLDER.fullmatch(each) else each for each in code.split() if each != "..."]
        if code.startswith("fedsift "):
            assert fault_of(shlex.split(" ".join(words[1:])), names_defined(page), whole=False) == "", code
        elif code.startswith("--"):
            options = [each.partition("=")[0] for each in words if each.startswith("--")]
            assert set(options) <= OPTIONS | others, code


@every_page
def test_code(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            check_python(block, set(re.findall(r"^(?:class|def) (\w+)", block.content, re.MULTILINE)))
        elif block.language == "toml":
            check_toml(block)
        elif block.language in ("json", "jsonl"):
            for text in block.content.splitlines() if block.language == "jsonl" else [block.content]:
                json.loads(text)
        else:
            assert block.language in {RUN, PARSED, *NOT_READ_HERE}, f"line {block.line}: {block.language}"


def check_python(block: Block, defined: set[str]) -> None:
    """It compiles, and the names that it has from fedsift are there."""
    source = re.sub(r"^[!%]", "#", block.content, flags=re.MULTILINE)  # what only a notebook understands
    for node in ast.walk(compile(source, f"line {block.line}", "exec", ast.PyCF_ONLY_AST)):
        match node:
            case ast.Attribute(value=ast.Name("fedsift"), attr=name):
                assert name in fedsift.__all__, f"fedsift.{name}"
            case ast.ImportFrom(module=str(home), names=names) if home.partition(".")[0] == "fedsift":
                module = importlib.import_module(home)
                assert [each.name for each in names if not hasattr(module, each.name)] == [], home


def check_toml(block: Block) -> None:
    """A scenario, a sweep, a run's configuration, or a table of another program."""
    values = tomllib.loads(block.content)
    if {"leave", "rejoin", "misbehave", "run"} & {key for key, each in values.items() if isinstance(each, list | dict)}:
        parse_scenario(block.content, "scenario.toml")
    elif not any(isinstance(each, dict) for each in values.values()):
        RunConfig.from_mapping(values)


def test_sweeps(tmp_path: Path) -> None:
    found = [
        block for page in PAGES for block in blocks(page) if block.language == "toml" and "[sweep]" in block.content
    ]
    assert found
    for block in found:
        (tmp_path / "sweep.toml").write_text(block.content, encoding="utf-8")
        read_sweep(tmp_path / "sweep.toml")


@every_page
def test_files_and_links(page: Path) -> None:
    text = text_of(page)
    written = {block.file for block in blocks(page)}  # by the reader
    missing = [path for path in PATH.findall(text) if path not in written and not (REPOSITORY / path).exists()]
    missing += [link for link, _ in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(
    "page", [README, *(each for each in DOCUMENTS if each.parent.name != "reference")], ids=name_of
)
def test_a_page_is_read_in_a_few_minutes(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").split()) <= MOST_WORDS
