"""What `import fedsift` offers, and what it does not do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fedsift

SOURCE = Path(fedsift.__file__)


def test_every_name_is_there() -> None:
    """Those of the stub, which type checkers read, are those that are imported when they are used."""
    names = re.findall(r"import (\w+) as|, (\w+) as", SOURCE.with_suffix(".pyi").read_text(encoding="utf-8"))
    assert sorted("".join(each) for each in names) == sorted(dir(fedsift))
    assert all(callable(getattr(fedsift, each)) for each in dir(fedsift))


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="fedsift attribute simulat"):
        getattr(fedsift, "simulat")  # noqa: B009


def test_nothing_heavy_is_imported_with_it() -> None:
    """Processes set what torch, Flower and Ray read from the environment before these are imported."""
    code = "import fedsift, sys; fedsift.Verdict, fedsift.Refused, dir(fedsift); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "flwr", "ray", "transformers", "pyarrow", "pandas"} & set(loaded)
