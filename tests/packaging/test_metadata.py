"""What is said of the package in several places is the same in all of them."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_DEVELOPERS = {"docs", "test"}


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_version_has_a_date_and_its_changes() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    newest = re.search(r"^## (\S+), (\S+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest.groups() == (PROJECT["version"], str(citation["date-released"]))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_every_python_that_is_named_is_tested() -> None:
    matrix = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["ci"]["strategy"]["matrix"]["python"]
    classifier = "Programming Language :: Python :: "
    named = [
        each.removeprefix(classifier) for each in PROJECT["classifiers"] if re.fullmatch(classifier + r"3\.\d+", each)
    ]
    assert named == matrix
    minors = [f"3.{minor}" for minor in range(20)]
    assert [each for each in minors if each in SpecifierSet(PROJECT["requires-python"])][: len(matrix)] == matrix
    (image,) = re.findall(r"^ARG PYTHON=(.*)$", read("Dockerfile"), re.MULTILINE)
    assert image in matrix


def test_the_table_of_extras() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|[^|]*\| ([^|]*) \|$", read("docs/how-to/install.md"), re.MULTILINE)
    assert {extra: re.findall(r"[\w-]+", packages) for extra, packages in rows} == {
        extra: [Requirement(each).name for each in packages]
        for extra, packages in EXTRAS.items()
        if extra not in FOR_DEVELOPERS
    }


def test_the_extras_that_are_named_exist() -> None:
    """In the image, and on every page."""
    pages = ["Dockerfile", "README.md", "PACKAGE.md", *map(str, (REPOSITORY / "docs").rglob("*.md"))]
    lists = [each for page in pages for each in re.findall(r"(?:fedsift|'\.|whl|\*\.whl\))\[([\w,-]+)\]", read(page))]
    named = {extra for each in lists for extra in each.split(",")}
    assert {"gguf", "lora", "plots", "sweep"} <= named <= EXTRAS.keys()
