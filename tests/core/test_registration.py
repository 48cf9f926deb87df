"""A file that is put into a package's folder registers itself."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from fedsift.core.errors import BadInput
from fedsift.core.registration import registered


@dataclass(frozen=True)
class Thing:
    name: str


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A package of this test's own, with a module that defines nothing, and a package within."""
    folder = tmp_path / f"things_of_{request.node.name}"
    (folder / "within").mkdir(parents=True)
    (folder / "within" / "__init__.py").write_text("raise ImportError", encoding="utf-8")
    for name in ("__init__", "other"):
        (folder / f"{name}.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def defining(name: str) -> str:
    return f"from tests.core.test_registration import Thing\nIT = Thing({name!r})\n"


def test_what_modules_define_is_found_by_name(package: Path) -> None:
    (package / "b.py").write_text(defining("first"), encoding="utf-8")
    (package / "a.py").write_text(f"from {package.name}.b import IT as other\n" + defining("second"), encoding="utf-8")
    assert registered(package.name, Thing) == {"first": Thing("first"), "second": Thing("second")}


def test_no_two_have_one_name(package: Path) -> None:
    for module in ("a", "b"):
        (package / f"{module}.py").write_text(defining("same"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"b: another file of things_of_\w+ has 'same'; give it another name"):
        registered(package.name, Thing)
