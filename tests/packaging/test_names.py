"""What `import fedsift` offers, and what it does not do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fedsift

SOURCE = Path(fedsift.__file__)


def test_names_are_at_home_where_type_checkers_look() -> None:
    """The imports for type checkers, which are not run, are those that are made when a name is used."""
    checked = next(node for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body if isinstance(node, ast.If))
    homes = {}
    for each in checked.body:
        assert isinstance(each, ast.ImportFrom)
        for name in each.names:
            assert name.name == name.asname
            homes[name.name] = each.module
    assert {name: f"fedsift.{home}" for home, names in fedsift._HOMES.items() for name in names} == homes
    for name, home in homes.items():
        assert getattr(fedsift, name) is getattr(sys.modules[str(home)], name)
        assert name in dir(fedsift)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'fedsift' has no attribute 'simulat'"):
        getattr(fedsift, "simulat")  # noqa: B009


def test_nothing_heavy_is_imported_with_it() -> None:
    """Processes set what torch, Flower and Ray read from the environment before these are imported."""
    code = "import fedsift, sys; fedsift.Verdict, fedsift.Refused, dir(fedsift); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "flwr", "ray", "transformers", "pyarrow", "pandas"} & set(loaded)
